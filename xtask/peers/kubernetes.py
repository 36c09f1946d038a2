"""Kubernetes' API for Jobs, for kubectl on loopback: a Job is held against Kubernetes' own
schema, and its pod is a container of the Docker daemon. Prints its port, and ends with its
standard input, as do all pods.

What is told of a Job is what the Job controller tells: conditions, reasons, and counts.
"""

import json
import random
import re
import subprocess
import sys
import threading
import uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate

VERSION = "1.37"
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
KIND = {"group": "batch", "version": "v1", "kind": "Job"}
VERBS = ["create", "delete", "get", "list"]
# As much of the API's description as says that the server looks for unknown fields.
DESCRIPTION = {
    "openapi": "3.0.0",
    "info": {"title": "Kubernetes", "version": VERSION},
    "paths": {
        "/apis/batch/v1/namespaces/{namespace}/jobs/{name}": {
            "patch": {
                "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
                "responses": {},
                "x-kubernetes-group-version-kind": KIND,
            }
        }
    },
}
FIXED = {
    "/version": {"major": "1", "minor": VERSION.split(".")[1], "gitVersion": f"v{VERSION}.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {
                "name": "batch",
                "versions": [{"groupVersion": "batch/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "batch/v1", "version": "v1"},
            }
        ],
    },
    "/apis/batch/v1": {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "batch/v1",
        "resources": [
            {"name": "jobs", "singularName": "job", "namespaced": True, "kind": "Job", "verbs": VERBS}
        ],
    },
    "/openapi/v3": {"paths": {"apis/batch/v1": {"serverRelativeURL": "/openapi/v3/apis/batch/v1"}}},
    "/openapi/v3/apis/batch/v1": DESCRIPTION,
}
jobs = {}
lock = threading.Lock()


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, code, reason, message):
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        }


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def check(job):
    """What the server refuses, by the schema and by the rules that it does not have."""
    try:
        kubernetes_validate.validate(job, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        path = ".".join(str(part) for part in error.absolute_path)
        message = f'Job in version "v1" cannot be handled as a Job: strict decoding error: {path}: {error.message}'
        raise Refused(400, "BadRequest", message) from error
    name = job["metadata"]["name"]
    wrong = []
    if len(name) > 63 or not LABEL.fullmatch(name):
        wrong.append(f"metadata.name: Invalid value: {name!r}: a lowercase RFC 1123 label, at most 63 characters")
    pod = job["spec"]["template"]["spec"]
    if pod.get("restartPolicy") not in ("Never", "OnFailure"):
        wrong.append('spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"')
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    for container in pod["containers"]:
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                wrong.append(f"spec.template.spec.containers.volumeMounts.name: Not found: {mount['name']!r}")
    if wrong:
        raise Refused(422, "Invalid", f'Job.batch "{name}" is invalid: {"; ".join(wrong)}')


def create(namespace, job):
    metadata = job.setdefault("metadata", {})
    if "name" not in metadata and "generateName" in metadata:
        ending = "".join(random.choices("bcdfghjklmnpqrstvwxz2456789", k=5))
        metadata["name"] = metadata["generateName"][:58] + ending
    if "name" not in metadata:
        raise Refused(422, "Invalid", "Job.batch is invalid: metadata.name: Required value: name or generateName is required")
    check(job)
    name = metadata["name"]
    with lock:
        if (namespace, name) in jobs:
            raise Refused(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
        metadata.update(namespace=namespace, uid=str(uuid.uuid4()), creationTimestamp=now(), resourceVersion="1")
        job["status"] = {}
        jobs[namespace, name] = job
    threading.Thread(target=control, args=(job,), daemon=True).start()
    return job


def find(namespace, name):
    if (namespace, name) not in jobs:
        raise Refused(404, "NotFound", f'jobs.batch "{name}" not found')
    return jobs[namespace, name]


def delete(namespace, name):
    """With its pod, as kubectl asks for (`Background`)."""
    with lock:
        job = find(namespace, name)
        del jobs[namespace, name]
    subprocess.run(["docker", "rm", "--force", pod_name(job)], capture_output=True, check=False)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def listed(namespace, selector):
    wanted = dict(part.split("=", 1) for part in selector.replace("==", "=").split(",") if part)
    with lock:
        found = [job for (of, _), job in jobs.items() if of == namespace]
    found = [job for job in found if wanted.items() <= job["metadata"].get("labels", {}).items()]
    return {"kind": "JobList", "apiVersion": "batch/v1", "metadata": {"resourceVersion": "1"}, "items": found}


def pod_name(job):
    return f"layr-pod-{job['metadata']['uid']}"


def docker_run(job):
    """The command that runs a Job's pod, which has one container."""
    pod = job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    words = ["docker", "run", "--rm", "--network", "none", "--pull", "never", "--name", pod_name(job)]
    volumes = {volume["name"]: volume["hostPath"]["path"] for volume in pod.get("volumes", [])}
    for mount in container.get("volumeMounts", []):
        ending = ",readonly" if mount.get("readOnly") else ""
        words += ["--mount", f"type=bind,source={volumes[mount['name']]},target={mount['mountPath']}{ending}"]
    for variable in container.get("env", []):
        words += ["--env", f"{variable['name']}={variable['value']}"]
    security = container.get("securityContext", {})
    words += ["--privileged"] * security.get("privileged", False)
    for capability in security.get("capabilities", {}).get("add", []):
        words += ["--cap-add", capability]
    for field, option in [("seccompProfile", "seccomp"), ("appArmorProfile", "apparmor")]:
        if security.get(field, {}).get("type") == "Unconfined":
            words += ["--security-opt", f"{option}=unconfined"]
    return words + [container["image"], *container["command"]]


def control(job):
    """Runs the pods of a Job until one ends well, or as many have failed as may."""
    allowed = job["spec"].get("backoffLimit", 6)
    status = {"startTime": now(), "active": 1, "ready": 1}
    for n_failed in range(allowed + 1):
        job["status"] = {**status, **({"failed": n_failed} if n_failed else {})}
        ended = subprocess.run(docker_run(job), capture_output=True, text=True, check=False)
        if ended.returncode == 0:
            why = ("CompletionsReached", "Reached expected number of succeeded pods")
            done = [condition("SuccessCriteriaMet", *why), condition("Complete", *why)]
            job["status"] = {"startTime": status["startTime"], "completionTime": now(), "succeeded": 1,
                             "ready": 0, "terminating": 0, "conditions": done}
            return
        if ended.returncode >= 125:  # Docker's own word, not the command's
            print(ended.stderr, file=sys.stderr)
    why = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    job["status"] = {"startTime": status["startTime"], "failed": allowed + 1, "ready": 0, "terminating": 0,
                     "conditions": [condition("FailureTarget", *why), condition("Failed", *why)]}


def condition(kind, reason, message):
    return {"type": kind, "status": "True", "reason": reason, "message": message,
            "lastProbeTime": now(), "lastTransitionTime": now()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def respond(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            code, answer = 201 if self.command == "POST" else 200, self.answer(self.command, body)
        except Refused as refused:
            code, answer = refused.code, refused.status
        data = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = respond

    def answer(self, method, body):
        url = urlsplit(self.path)
        if method == "GET" and url.path in FIXED:
            return FIXED[url.path]
        if url.path == "/openapi/v2":
            return None  # of old: a description, as protocol buffers, that describes nothing
        parts = re.fullmatch(r"/apis/batch/v1/namespaces/([^/]+)/jobs(?:/([^/]+))?", url.path)
        match (method, parts and parts.groups()):
            case ("POST", (namespace, None)):
                return create(namespace, json.loads(body))
            case ("GET", (namespace, None)):
                return listed(namespace, parse_qs(url.query).get("labelSelector", [""])[0])
            case ("GET", (namespace, name)):
                return find(namespace, name)
            case ("DELETE", (namespace, str(name))):
                return delete(namespace, name)
        raise Refused(404, "NotFound", "the server could not find the requested resource")


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
for key in list(jobs):
    delete(*key)
