#!/bin/sh
# Instead of the commands for the service account and its binding on docs/gke-workload-identity.md, and with the same
# names: lets the Kubernetes service account of deployment.yaml act as a Google service account, in a cluster with
# Workload Identity Federation (Autopilot always has it). Prints the issuer and the subject of the tokens.
set -eu

PROJECT=my-project
NAMESPACE=shop
SERVICE_ACCOUNT="orders@$PROJECT.iam.gserviceaccount.com"

gcloud services enable iamcredentials.googleapis.com --project "$PROJECT"
gcloud iam service-accounts create orders --project "$PROJECT"
gcloud iam service-accounts add-iam-policy-binding "$SERVICE_ACCOUNT" --project "$PROJECT" \
  --role roles/iam.workloadIdentityUser \
  --member "serviceAccount:$PROJECT.svc.id.goog[$NAMESPACE/orders]"

# The server knows the account by its unique ID.
SUBJECT=$(gcloud iam service-accounts describe "$SERVICE_ACCOUNT" --project "$PROJECT" --format 'value(uniqueId)')
echo "issuer   https://accounts.google.com"
echo "subject  $SUBJECT"
