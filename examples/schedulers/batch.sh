#!/bin/sh
# One package as a job of AWS Batch: hands it over, and waits until it has ended.
#
#     submit = "./batch.sh {package} {command}"
#
# However many jobs wait, one of the scripts at a time asks for all of them.
# Needs the AWS CLI, jq and flock.
set -eu
queue=${LAYR_BATCH_QUEUE:-layr}
definition=${LAYR_BATCH_DEFINITION:-layr}
seconds=${LAYR_BATCH_SECONDS:-5}
export AWS_RETRY_MODE="${AWS_RETRY_MODE:-standard}" AWS_MAX_ATTEMPTS="${AWS_MAX_ATTEMPTS:-10}"
# The AWS CLI before version 2 knows one name only.
[ -z "${AWS_REGION:-}" ] || export AWS_DEFAULT_REGION="$AWS_REGION"

# What the scripts of one project and one account share: a file for each job that is waited
# for, and the last answer for all of them.
place=$({ pwd; env | grep '^AWS_' | sort; } | cksum | tr ' ' -)
shared=${XDG_CACHE_HOME:-$HOME/.cache}/layr-batch/$place
mkdir -p "$shared/jobs"

# Not more than four at once, since each takes as much memory as a small build.
call() {
    flock "$shared/slot$(($$ % 4))" aws batch "$@"
}

overrides=$(jq --null-input --arg line "$2" '{command: ["sh", "-c", $line]}')
job=$(call submit-job --job-name "layr-$(printf %s "$1" | tr . -)" --job-queue "$queue" \
    --job-definition "$definition" --container-overrides "$overrides" --query jobId --output text)

# layr holds the other end of standard input. When it is gone, the job is not waited for in
# the queue either.
exec 3<&0
{
    read -r _ <&3 || :
    call terminate-job --job-id "$job" --reason "layr does not wait any more"
} >/dev/null 2>&1 &
watcher=$!
end() {
    kill "$watcher" 2>/dev/null || :
    rm -f "$shared/jobs/$job"
    exit "$1"
}

# Asks for all jobs that somebody waited for within the last minutes, a hundred at a time.
ask() {
    find "$shared/jobs" -type f -mmin +3 -exec rm -f {} +
    (cd "$shared/jobs" && find . -type f) | cut -c 3- \
        | xargs -n 100 aws batch describe-jobs --output text \
            --query 'jobs[].[jobId, status, container.exitCode, container.reason, statusReason]' --jobs \
            >"$shared/answer.new" 2>"$shared/error" || :
    mv "$shared/answer.new" "$shared/answer"
}

# Ends where the last answer says that the job has.
look() {
    said=$(grep "^${job}[[:space:]]" "$shared/answer" 2>/dev/null) || said=
    case $(printf %s "$said" | cut -f 2) in
    SUCCEEDED) end 0 ;;
    FAILED)
        printf 'job %s\n' "$said"
        end 1
        ;;
    "") n_unseen=$((n_unseen + 1)) ;;
    *) n_unseen=0 ;;
    esac
    if [ "$n_unseen" -ge 24 ]; then
        printf 'AWS Batch does not tell of job %s any more\n' "$job"
        cat "$shared/error"
        end 1
    fi
}

n_unseen=0
while :; do
    : >"$shared/jobs/$job"
    # Whoever has the lock asks, and keeps it for as long as the answer is fresh.
    {
        if flock --nonblock 9; then ask; fi
        look
        sleep "$seconds"
    } 9>"$shared/lock"
done
