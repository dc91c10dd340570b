"""The model registry: versions of a model, and their aliases."""

from collections.abc import Mapping

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from pipeline.tracking.tags import GATE

CHAMPION, CHALLENGER = "champion", "challenger"


def register(
    client: mlflow.MlflowClient, name: str, model_uri: str, model_id: str, run_id: str, tags: Mapping[str, str]
) -> ModelVersion:
    """Register a version, or return the one that this run has registered already, as a resumed run has."""
    try:
        client.create_registered_model(name)
    except mlflow.MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
    if registered := version_of_run(client, name, run_id):
        return registered
    return client.create_model_version(name, model_uri, run_id, tags=dict(tags), model_id=model_id)


def champion(client: mlflow.MlflowClient, name: str) -> ModelVersion | None:
    """The version with the alias `champion`, or None."""
    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except mlflow.MlflowException:
        return None


def set_alias(client: mlflow.MlflowClient, name: str, version: ModelVersion, alias: str, reason: str) -> None:
    """Give a version an alias, and record the reason as a tag."""
    client.set_model_version_tag(name, version.version, GATE, reason)
    client.set_registered_model_alias(name, alias, version.version)


def version_of_run(client: mlflow.MlflowClient, name: str, run_id: str) -> ModelVersion | None:
    """The version that a run has registered, or None."""
    return next(iter(client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")), None)


def uri_of_run(client: mlflow.MlflowClient, name: str, run_id: str) -> str | None:
    """URI of a run's model, by its alias if it has one, else by its version; None if it has no model."""
    version = version_of_run(client, name, run_id)
    if version is None:
        return None
    aliases = client.get_registered_model(name).aliases  # search returns versions without their aliases
    own = [alias for alias, number in aliases.items() if str(number) == str(version.version)]
    return f"models:/{name}@{own[0]}" if own else f"models:/{name}/{version.version}"
