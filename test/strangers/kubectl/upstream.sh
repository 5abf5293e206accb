# Runs one function of upstream's shell suite for kubectl, or (without an argument) what its list of functions does in between. The working
# directory is a copy of upstream's tree; API_PORT is where a server listens on loopback. Everything that upstream would build or start is there.
source hack/lib/init.sh
source hack/lib/test.sh
make() { :; }
kube::etcd::start() { :; }
kube::etcd::cleanup() { :; }
SECURE_API_PORT="${API_PORT}"
source test/cmd/legacy-script.sh
record_command() { :; }

setup
kubectl get node 127.0.0.1 || kubectl create -f - <<MANIFEST
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "127.0.0.1", "annotations": {"save-managers": "true"}},
 "status": {"capacity": {"memory": "1Gi"}}}
MANIFEST
export SUPPORTED_RESOURCES=("*")
if [[ -z "${1-}" ]]; then
  runTests
else
  # defines what the functions go by, and runs none of them
  WHAT=" " runTests
  create_and_use_new_namespace
  # as upstream's list calls it: each function turns these on for itself
  set +o errexit +o nounset
  ("$1")
fi
