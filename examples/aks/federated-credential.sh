#!/bin/sh
# Instead of the commands for cluster and identity on docs/aks.md, and with the same names: gives the service account of
# deployment.yaml a workload identity, which is a managed identity, and a federated credential by which Entra takes the
# cluster's token for it. Prints what goes into deployment.yaml, and what MongoDB is told.
set -eu

RESOURCE_GROUP=shop
CLUSTER=shop-aks
IDENTITY=orders
NAMESPACE=shop
SERVICE_ACCOUNT=orders

# Both are off in clusters that were made without them.
az aks update --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" \
  --enable-oidc-issuer --enable-workload-identity --output none
CLUSTER_ISSUER=$(az aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" \
  --query oidcIssuerProfile.issuerUrl --output tsv)

az identity create --resource-group "$RESOURCE_GROUP" --name "$IDENTITY" --output none
az identity federated-credential create --resource-group "$RESOURCE_GROUP" --identity-name "$IDENTITY" \
  --name aks --issuer "$CLUSTER_ISSUER" \
  --subject "system:serviceaccount:$NAMESPACE:$SERVICE_ACCOUNT" \
  --audiences api://AzureADTokenExchange --output none

CLIENT_ID=$(az identity show --resource-group "$RESOURCE_GROUP" --name "$IDENTITY" --query clientId --output tsv)
OBJECT_ID=$(az identity show --resource-group "$RESOURCE_GROUP" --name "$IDENTITY" --query principalId --output tsv)
echo "client ID, for deployment.yaml  $CLIENT_ID"
# The server knows the identity by its object ID.
echo "subject, for MongoDB            $OBJECT_ID"
