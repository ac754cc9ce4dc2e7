{{- define "ring.name" -}}
{{- if contains "ring" .Release.Name }}{{ .Release.Name | trunc 48 | trimSuffix "-" }}{{ else }}{{ printf "ring-%s" .Release.Name | trunc 48 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "ring.selector" -}}
app.kubernetes.io/name: ring-relayer
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ring.labels" -}}
{{ include "ring.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "ring.claim" -}}
{{ .Values.store.existingClaim | default (printf "%s-store" (include "ring.name" .)) }}
{{- end }}

{{/* What the pod and the job share: everything but the arguments, the ports and the probes. */}}
{{- define "ring.podSpec" -}}
automountServiceAccountToken: false
# Names of services as variables have no business in the environment of a program that reads its own from there.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .Values.userId }}
  runAsGroup: {{ .Values.userId }}
  fsGroup: {{ .Values.userId }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
volumes:
  {{- if not .Values.store.urlSecret }}
  - name: store
    persistentVolumeClaim: { claimName: {{ include "ring.claim" . }} }
  {{- with .Values.store.backups.existingClaim }}
  - name: backups
    persistentVolumeClaim: { claimName: {{ . }} }
  {{- end }}
  {{- end }}
  - name: config
    secret:
      secretName: {{ required "configSecret: name the Secret with seat.toml and the certificates" .Values.configSecret }}
      defaultMode: 0440
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        - secret:
            name: {{ required "keySecret: name the Secret with operator.json and password" .Values.keySecret }}
            items:
              - { key: operator.json, path: operator.json }
              - { key: password, path: password }
        {{- with .Values.tlsSecret }}
        - secret:
            name: {{ . }}
            items:
              - { key: tls.key, path: tls.key }
        {{- end }}
        {{- with .Values.store.urlSecret }}
        - secret:
            name: {{ . }}
            items:
              - { key: store.url, path: store.url }
        {{- end }}
  - name: tmp
    emptyDir: { medium: Memory, sizeLimit: 64Mi }
{{- end }}

{{- define "ring.container" -}}
image: {{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  - { name: RING_RELAYER_CONFIG, value: /etc/ring-relayer/seat.toml }
  {{- if .Values.store.urlSecret }}
  - { name: RING_RELAYER__STORE__URL_FILE, value: /run/ring-relayer/store.url }
  {{- else }}
  - { name: RING_RELAYER__STORE__PATH, value: /var/lib/ring-relayer/store.sqlite }
  {{- if .Values.store.backups.existingClaim }}
  - { name: RING_RELAYER__STORE__BACKUPS__FOLDER, value: /var/backups/ring-relayer }
  - { name: RING_RELAYER__STORE__BACKUPS__EVERY_HOURS, value: {{ .Values.store.backups.everyHours | quote }} }
  - { name: RING_RELAYER__STORE__BACKUPS__KEEP, value: {{ .Values.store.backups.keep | quote }} }
  {{- end }}
  {{- end }}
  - { name: RING_RELAYER__SIGNER__KEYSTORE, value: /run/ring-relayer/operator.json }
  - { name: RING_RELAYER__SIGNER__PASSWORD_FILE, value: /run/ring-relayer/password }
  {{- if .Values.tlsSecret }}
  - { name: RING_RELAYER__PEERS__PRIVATE_KEY, value: /run/ring-relayer/tls.key }
  - { name: RING_RELAYER__PEERS__LISTEN, value: "0.0.0.0:{{ .Values.listen.peers }}" }
  {{- end }}
  - { name: RING_RELAYER__API__LISTEN, value: "0.0.0.0:{{ .Values.listen.api }}" }
  - { name: RUST_LOG, value: {{ .Values.log | quote }} }
  - { name: NO_COLOR, value: "1" }
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  privileged: false
  capabilities: { drop: [ALL] }
resources: {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  {{- if not .Values.store.urlSecret }}
  - { name: store, mountPath: /var/lib/ring-relayer }
  {{- if .Values.store.backups.existingClaim }}
  - { name: backups, mountPath: /var/backups/ring-relayer }
  {{- end }}
  {{- end }}
  - { name: config, mountPath: /etc/ring-relayer, readOnly: true }
  - { name: secrets, mountPath: /run/ring-relayer, readOnly: true }
  - { name: tmp, mountPath: /tmp }
{{- end }}
