# Runs inside the sandbox as process 1 and installs one package. What must be the same
# for the same bytes is: this file, the source's path, the library's path, the
# environment, and the number of processes started before R loads the package's code,
# since some packages keep their process id.
#
# The leash: standard input is a pipe that layr holds. Should layr be killed, it ends, and
# so does everything here.
exec 3<&0 </dev/null
{ while read -r _ <&3; do :; done; kill -9 -1; } &
exec 3<&-

# Engines use up process numbers of their own before this starts, and not always as many.
# From here on the next is 65 everywhere.
while : & [ $! -lt 64 ]; do :; done

umask 022

# Job tokens, shared with every other build of the run: `make` takes one for each compiler
# it starts beyond the first. A pipe by its descriptors, since make before 4.4 knows no
# named ones.
if [ -p /build/tokens ]; then
    exec 8<>/build/tokens 9>&8
    MAKEFLAGS="-j --jobserver-auth=8,9"
    export MAKEFLAGS
fi

# R's installer in a bare R, without the shell scripts of `R CMD INSTALL` around it.
R_DEFAULT_PACKAGES=NULL "$R_HOME/bin/R" --no-restore --no-save --no-site-file --no-init-file --no-echo \
    --file=/build/recipe/install.R --args "$@"
