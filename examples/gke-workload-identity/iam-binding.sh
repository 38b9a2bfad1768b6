#!/bin/sh
# Lets the Kubernetes service account of deployment.yaml act as a Google service account, in a cluster with Workload
# Identity Federation (Autopilot always has it). Prints the account's unique ID, the subject of its tokens, by which the
# server knows it; the issuer is https://accounts.google.com.
set -eu

PROJECT=my-project
ACCOUNT="orders@$PROJECT.iam.gserviceaccount.com"

gcloud iam service-accounts create orders --project "$PROJECT"
gcloud iam service-accounts add-iam-policy-binding "$ACCOUNT" --project "$PROJECT" \
  --role roles/iam.workloadIdentityUser \
  --member "serviceAccount:$PROJECT.svc.id.goog[shop/orders]"

gcloud iam service-accounts describe "$ACCOUNT" --project "$PROJECT" --format 'value(uniqueId)'
