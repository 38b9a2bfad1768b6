#!/bin/sh
# Gives the service account of deployment.yaml a workload identity: a managed identity, and a federated credential by
# which Entra takes the cluster's token for it. Prints the client ID for deployment.yaml.
set -eu

RESOURCE_GROUP=shop
CLUSTER=shop
IDENTITY=orders

# Both are off in clusters that were made without them.
az aks update --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" \
  --enable-oidc-issuer --enable-workload-identity --output none
issuer=$(az aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" \
  --query oidcIssuerProfile.issuerUrl --output tsv)

az identity create --resource-group "$RESOURCE_GROUP" --name "$IDENTITY" --output none
az identity federated-credential create --resource-group "$RESOURCE_GROUP" --identity-name "$IDENTITY" \
  --name kubernetes-shop-orders \
  --issuer "$issuer" \
  --subject system:serviceaccount:shop:orders \
  --audiences api://AzureADTokenExchange --output none

az identity show --resource-group "$RESOURCE_GROUP" --name "$IDENTITY" --query clientId --output tsv
# The server knows the identity by its object ID, which is the subject of its tokens:
az identity show --resource-group "$RESOURCE_GROUP" --name "$IDENTITY" --query principalId --output tsv
