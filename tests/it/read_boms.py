"""Bills of materials, held against their schemas and read by the libraries of CycloneDX and
SPDX: to JSON on stdout, a line for each file, of what these found in it."""

import json
import logging
import sys

from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

logging.disable(logging.WARNING)


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


for path in sys.argv[1:]:
    print(json.dumps(cyclonedx(path) if path.endswith(".cdx.json") else spdx(path)))
