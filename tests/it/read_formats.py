"""Bills of materials and findings, held against their formats' schemas; bills are also read by
the libraries of CycloneDX and SPDX: to JSON on stdout, a line for each file, of what is in it."""

import json
import logging
import pathlib
import sys

from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from jsonschema import Draft7Validator, Draft201909Validator
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

logging.disable(logging.WARNING)

SCHEMAS = pathlib.Path(__file__).parent.parent / "fixtures" / "schemas"


def hold(path, schema, validator):
    schema = json.loads((SCHEMAS / schema).read_text(encoding="utf-8"))
    document = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    for error in validator(schema, format_checker=validator.FORMAT_CHECKER).iter_errors(document):
        sys.exit(f"{path}: {error.json_path}: {error.message}")
    return document


def sarif(path):
    runs = hold(path, "sarif-2.1.0.json", Draft7Validator)["runs"]
    return {"results": sum(len(run["results"]) for run in runs)}


def cyclonedx(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        sys.exit(f"{path}: {error}")
    # The schema of a version takes documents that name another.
    if json.loads(text)["specVersion"] != "1.6":
        sys.exit(f"{path}: it is of another version than 1.6")
    bom = Bom.from_json(json.loads(text))
    if not bom.validate():
        sys.exit(f"{path}: its references lead nowhere")
    return {
        "subject": bom.metadata.component.name,
        "names": sorted(component.name for component in bom.components),
        "purls": sorted(component.purl.to_string() for component in bom.components if component.purl),
        "edges": sum(len(dependency.dependencies) for dependency in bom.dependencies),
    }


def spdx(path):
    hold(path, "spdx-2.3.json", Draft201909Validator)
    document = parse_file(path)
    problems = validate_full_spdx_document(document)
    if problems:
        sys.exit(f"{path}: " + "; ".join(problem.validation_message for problem in problems))
    references = [reference for package in document.packages for reference in package.external_references]
    described = [
        relationship.related_spdx_element_id
        for relationship in document.relationships
        if relationship.relationship_type.name == "DESCRIBES"
    ]
    subject = next(package for package in document.packages if package.spdx_id in described)
    return {
        "subject": subject.name,
        "names": sorted(package.name for package in document.packages if package is not subject),
        "purls": sorted(PackageURL.from_string(reference.locator).to_string() for reference in references),
        "edges": len(document.relationships),
    }


READERS = {".cdx.json": cyclonedx, ".spdx.json": spdx, ".sarif": sarif}

for path in sys.argv[1:]:
    read = next(read for ending, read in READERS.items() if path.endswith(ending))
    print(json.dumps(read(path)))
