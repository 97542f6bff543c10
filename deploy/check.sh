#!/bin/sh
# Asks real validators about everything in deploy/. `make deploy-check` installs them and calls this with
# HELM and VENV_BIN set.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { echo "deploy: $*"; }

# Runs a command that has to fail: a validator that lets everything through is none.
refuses() {
    if "$@" >"$work/out" 2>&1; then
        say "this should have been refused: $*"
        exit 1
    fi
}

say "systemd unit"
# The program need not be installed for its unit to be checked.
unit="$work/confgit.service"
sed 's|/usr/local/bin/confgit|/bin/true|' confgit.service >"$unit"
# `verify` warns of unknown keys and succeeds all the same.
systemd-analyze verify "$unit" 2>&1 | tee "$work/warnings"
test ! -s "$work/warnings"
systemd-analyze security --offline=yes --threshold=15 "$unit" >"$work/exposure" || { tail -1 "$work/exposure"; exit 1; }
sed 's/^\(Protect\|Private\|Restrict\|DynamicUser\|System\|Capability\)/#\1/' "$unit" >"$work/open.service"
refuses systemd-analyze security --offline=yes --threshold=15 "$work/open.service"

say "container file"
"$VENV_BIN/hadolint" Containerfile
sed 's/--no-cache //' Containerfile >"$work/Containerfile"
refuses "$VENV_BIN/hadolint" "$work/Containerfile"

say "compose file"
compose() { "$VENV_BIN/check-jsonschema" --quiet --builtin-schema vendor.compose-spec "$1"; }
compose compose.yaml
sed 's/read_only/readonly/' compose.yaml >"$work/compose.yaml"
refuses compose "$work/compose.yaml"

say "Helm chart"
chart=helm/confgit
everything="--set otlp.endpoint=http://collector:4318 --set image.tag=v1 --set persistence.storageClass=fast
    --set podLabels.team=shop --set podAnnotations.a=b --set service.annotations.a=b --set nodeSelector.disk=ssd
    --set extraEnv[0].name=A --set extraEnv[0].value=b --set imagePullSecrets[0].name=s --set priorityClassName=high
    --set tolerations[0].operator=Exists --set persistence.annotations.a=b
    --set affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].key=a
    --set affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].operator=Exists"
monitor="--set serviceMonitor.enabled=true --set serviceMonitor.credentials.secret=s --set serviceMonitor.labels.a=b"
render() { "$HELM" template release "$chart" --kube-version "$1" --namespace shop $2; }
"$HELM" lint --quiet --strict "$chart"
# shellcheck disable=SC2086
"$HELM" lint --quiet --strict "$chart" $everything $monitor
for version in 1.25 1.33; do
    for values in "" "$everything"; do
        render "$version" "$values" >"$work/rendered.yaml"
        "$VENV_BIN/kubernetes-validate" --strict --quiet -k "$version" "$work/rendered.yaml"
    done
done
sed 's/automountServiceAccountToken/automountToken/' "$work/rendered.yaml" >"$work/wrong.yaml"
refuses "$VENV_BIN/kubernetes-validate" --strict --quiet -k 1.33 "$work/wrong.yaml"
# Kubernetes has no schema of its own for this kind; ours says what the operator's asks for.
render 1.33 "$monitor --show-only templates/servicemonitor.yaml" >"$work/monitor.yaml"
"$VENV_BIN/check-jsonschema" --quiet --schemafile servicemonitor.schema.json "$work/monitor.yaml"
for wrong in serviceMonitor.enabled=true persistence.size=much unknown=1 project=../up image.digest=sha256:1; do
    refuses render 1.33 "--set $wrong"
done
say "all of it holds"
