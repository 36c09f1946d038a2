#!/bin/sh
# One package as a Job of Kubernetes: creates it, and waits until it has ended.
#
#     submit = "./kube.sh {package} {command}"
#
# However many Jobs are waited for, one of the scripts at a time asks for all of them.
# Needs kubectl, jq and flock.
set -eu
template=${LAYR_KUBE_JOB:-$(dirname "$0")/kube-job.json}
seconds=${LAYR_KUBE_SECONDS:-5}

# What the scripts of one project and one cluster share: the last answer for all Jobs.
place=$({ pwd; env | grep '^KUBE' | sort; kubectl config current-context; } 2>/dev/null | cksum | tr ' ' -)
shared=${XDG_CACHE_HOME:-$HOME/.cache}/layr-kube/$place
mkdir -p "$shared"

# Not more than four at once.
call() {
    flock "$shared/slot$(($$ % 4))" kubectl "$@"
}

# Its name begins with the package's, and Kubernetes makes it one that is not there yet.
prefix=layr-$(printf %s "$1" | tr '[:upper:].' '[:lower:]-' | cut -c 1-40)-
job=$(jq --arg prefix "$prefix" --arg line "$2" '.metadata.generateName = $prefix
    | .metadata.labels["app.kubernetes.io/managed-by"] = "layr"
    | .spec.template.spec.containers[0].command = ["sh", "-c", $line]' "$template" \
    | call create --filename - --output 'jsonpath={.metadata.name}')

# layr holds the other end of standard input. When it is gone, the Job is not needed.
exec 3<&0
{
    read -r _ <&3 || :
    call delete job "$job" --wait=false
} >/dev/null 2>&1 &
watcher=$!
end() {
    kill "$watcher" 2>/dev/null || :
    exit "$1"
}

# Name and last condition of each Job, and why it has failed.
ask() {
    kubectl get jobs --selector app.kubernetes.io/managed-by=layr --output json 2>"$shared/error" \
        | jq --raw-output '.items[] | . as $job
            | (.status.conditions // [] | map(select(.status == "True" and (.type | IN("Complete", "Failed"))))[0])
            | [$job.metadata.name, .type // "Waiting", .reason, .message] | @tsv' >"$shared/answer.new" || :
    mv "$shared/answer.new" "$shared/answer"
}

# Ends where the last answer says that the Job has. One that has failed stays to be looked at,
# for as long as its `ttlSecondsAfterFinished`.
look() {
    said=$(grep "^${job}[[:space:]]" "$shared/answer" 2>/dev/null) || said=
    case $(printf %s "$said" | cut -f 2) in
    Complete)
        call delete job "$job" --wait=false || :
        end 0
        ;;
    Failed)
        printf 'job %s\n' "$said"
        end 1
        ;;
    "") n_unseen=$((n_unseen + 1)) ;;
    *) n_unseen=0 ;;
    esac
    if [ "$n_unseen" -ge 24 ]; then
        printf 'Kubernetes does not tell of job %s any more\n' "$job"
        cat "$shared/error"
        end 1
    fi
}

n_unseen=0
while :; do
    # Whoever has the lock asks, and keeps it for as long as the answer is fresh.
    {
        if flock --nonblock 9; then ask; fi
        look
        sleep "$seconds"
    } 9>"$shared/lock"
done
