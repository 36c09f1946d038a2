"""A worker of BuildGrid's, which leaves having one to others: it asks for jobs one after the
other, and has buildbox-run do them.

    worker.py SERVER INSTANCE NAME FOLDER BUILDBOX-RUN ARGUMENT...
"""

import subprocess
import sys
from pathlib import Path

import grpc
from buildgrid._protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as reapi
from buildgrid._protos.google.devtools.remoteworkers.v1test2 import bots_pb2, bots_pb2_grpc, worker_pb2

# How long one word to the server may take: it lets a worker without a job wait.
PATIENCE = 30
# Between two words of a worker that has one.
BREATH = 0.1


class Job:
    """A lease, and the program that runs its action."""

    def __init__(self, lease, folder, runner):
        action = reapi.Action()
        if not lease.payload.Unpack(action):
            raise ValueError(f"not an action: {lease.payload.type_url}")
        (folder / "action").write_bytes(action.SerializeToString())
        self.lease, self.result = lease, folder / "result"
        self.result.unlink(missing_ok=True)
        words = [f"--action={folder}/action", f"--action-result={self.result}"]
        self.process = subprocess.Popen([*runner, *words])
        lease.state = bots_pb2.ACTIVE

    def wait(self):
        """A moment for its end, of which the lease tells then."""
        try:
            code = self.process.wait(BREATH)
        except subprocess.TimeoutExpired:
            return
        if code == 0:
            self.lease.result.Pack(reapi.ActionResult.FromString(self.result.read_bytes()))
        else:
            self.lease.status.code = grpc.StatusCode.INTERNAL.value[0]
            self.lease.status.message = f"buildbox-run ended with {code}"
        self.lease.state = bots_pb2.COMPLETED

    def end(self):
        """Nobody wants it any more, or it has ended."""
        self.process.terminate()
        self.process.wait()


def work(stub, session, folder, runner):
    """Jobs until the server takes it ill, which has not heard of us for too long."""
    job = None
    try:
        while True:
            wanted = next(iter(session.leases), None)
            if job and (wanted is None or wanted.id != job.lease.id):
                job.end()
                job = None
            if wanted and not job:
                job = Job(wanted, folder, runner)
            if job:
                job.wait()
                del session.leases[:]
                session.leases.append(job.lease)
            request = bots_pb2.UpdateBotSessionRequest(name=session.name, bot_session=session)
            session = stub.UpdateBotSession(request, timeout=PATIENCE)
    except grpc.RpcError as error:
        print(error, file=sys.stderr)
    finally:
        if job:
            job.end()


def main(server, instance, name, folder, *runner):
    stub = bots_pb2_grpc.BotsStub(grpc.insecure_channel(server))
    worker = worker_pb2.Worker(devices=[worker_pb2.Device(handle=name)])
    while True:
        session = bots_pb2.BotSession(bot_id=name, status=bots_pb2.OK, worker=worker)
        request = bots_pb2.CreateBotSessionRequest(parent=instance, bot_session=session)
        session = stub.CreateBotSession(request, timeout=PATIENCE, wait_for_ready=True)
        work(stub, session, Path(folder), runner)


if __name__ == "__main__":
    main(*sys.argv[1:])
