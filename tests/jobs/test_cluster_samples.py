"""The files of `samples/` that start clusters: a cloud by Ray's launcher, Kubernetes by KubeRay."""

import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]
from conftest import parsed

from dreamvideo.settings.job import ClusterSettings

ROOT = Path(__file__).parents[2]
CLOUD, JOB = ROOT / "samples" / "cluster.yaml", ROOT / "samples" / "ray_job.yaml"

# Fields that the reference of KubeRay's API names (https://ray-project.github.io/kuberay/reference/api/), and those of
# Kubernetes' pods that the sample uses.
DOCUMENTED = {
    "RayJob": "apiVersion kind metadata spec",
    "metadata": "name namespace labels annotations",
    "RayJobSpec": "activeDeadlineSeconds backoffLimit rayClusterSpec submitterPodTemplate metadata clusterSelector "
    "submitterConfig managedBy deletionStrategy entrypoint runtimeEnvYAML jobId submissionMode entrypointResources "
    "entrypointNumCpus entrypointNumGpus ttlSecondsAfterFinished shutdownAfterJobFinishes suspend",
    "rayClusterSpec": "suspend managedBy authOptions autoscalerOptions headServiceAnnotations enableInTreeAutoscaling "
    "gcsFaultToleranceOptions headGroupSpec rayVersion workerGroupSpecs",
    "authOptions": "mode",
    "headGroupSpec": "template headService enableIngress rayStartParams serviceType resources labels",
    "workerGroupSpecs": "suspend groupName replicas minReplicas maxReplicas idleTimeoutSeconds rayStartParams template "
    "scaleStrategy numOfHosts resources labels",
    "template": "metadata spec",
    "spec": "containers volumes nodeSelector tolerations serviceAccountName initContainers affinity",
    "containers": "name image resources volumeMounts env envFrom ports command args",
    "resources": "limits requests",
    "volumeMounts": "name mountPath subPath readOnly",
    "volumes": "name persistentVolumeClaim",
    "persistentVolumeClaim": "claimName readOnly",
}
FREE = ("limits", "requests", "rayStartParams")  # of which every key is allowed


def unknown_fields(value: Any, name: str) -> Iterator[str]:
    """Fields that are not documented where they are."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict) and name not in FREE:
            allowed = DOCUMENTED[name].split()
            yield from (f"{name}.{key}" for key in each if key not in allowed)
            for key, inner in each.items():
                if key in allowed and isinstance(inner, dict | list):
                    yield from unknown_fields(inner, "RayJobSpec" if name == "RayJob" and key == "spec" else key)


def ray_version(image: str) -> tuple[int, ...]:
    """The version of Ray in the tag of an image."""
    match = re.search(r":(\d+)\.(\d+)\.(\d+)", image)
    assert match is not None, image
    return tuple(map(int, match.groups()))


def oldest_ray() -> tuple[int, ...]:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (ray,) = extras["cluster"]
    return tuple(map(int, ray.removeprefix("ray>=").split(".")))


def test_the_cloud_fits_the_schema_that_ray_ships() -> None:
    pytest.importorskip("ray")
    spec = importlib.util.find_spec("ray")
    assert spec is not None and spec.origin is not None
    schema = json.loads((Path(spec.origin).parent / "autoscaler" / "ray-schema.json").read_text())
    cloud = yaml.safe_load(CLOUD.read_text())
    jsonschema.validate(cloud, schema)
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        jsonschema.validate({**cloud, "max_worker": 1}, schema)
    assert cloud["head_node_type"] in cloud["available_node_types"]
    assert ray_version(cloud["docker"]["image"]) >= oldest_ray()
    assert "--env=RAY_AUTH_MODE=token" in cloud["docker"]["run_options"]
    for command in re.findall(r'ray exec \S+ "(.*)"', CLOUD.read_text()):
        assert parsed(*shlex.split(command)[1:]).settings(ClusterSettings) == ClusterSettings("auto")


def test_the_job_has_the_fields_that_kuberay_documents() -> None:
    job = yaml.safe_load(JOB.read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert list(unknown_fields(job, "RayJob")) == []
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert all(isinstance(value, str) for group in groups for value in group["rayStartParams"].values())
    assert all(group["minReplicas"] <= group["replicas"] <= group["maxReplicas"] for group in groups[1:])
    for group in groups:
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert container["resources"]["limits"] == container["resources"]["requests"]
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert ray_version(container["image"]) == ray_version(f":{cluster['rayVersion']}") >= oldest_ray()
    program, *words = shlex.split(job["spec"]["entrypoint"])
    line = parsed(*words)
    assert program == "dreamvideo" and line.settings(ClusterSettings) == ClusterSettings("auto")
    assert line.arguments.resume and line.arguments.report.suffix == ".json"


@pytest.mark.parametrize("place", ["spec", "rayClusterSpec", "headGroupSpec"])
def test_a_misspelled_field_is_found(place: str) -> None:
    job = yaml.safe_load(JOB.read_text())
    inner = job["spec"]
    for name in ("rayClusterSpec", "headGroupSpec"):
        if place == "spec":
            break
        inner = inner[name]
        if name == place:
            break
    inner["entryPoint"] = 1
    assert [name.rpartition(".")[2] for name in unknown_fields(job, "RayJob")] == ["entryPoint"]
