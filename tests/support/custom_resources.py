"""What KEDA's ScaledObject and the Gateway API's HTTPRoute may say, as far as it is said here.

Kubernetes' own schemas end before custom resources; and a resource's own schema lets pass what matters most: a field
with a slip in its name is dropped in silence, and what a trigger takes is to it a map of texts. So nothing else may be
said, until it is written down here too: https://keda.sh/docs/latest/reference/scaledobject-spec/ and
…/docs/latest/scalers/apache-kafka/, https://gateway-api.sigs.k8s.io/reference/spec/.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

T = TypeVar("T")
Some = Annotated[list[T], Field(min_length=1, max_length=16)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
Number = Annotated[str, StringConstraints(pattern=r"^[0-9]+$")]


class Part(BaseModel):
    """Names and kinds exactly as they are sent, and no others."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Metadata(Part):
    name: Name


class Target(Part):
    name: Name


class Kafka(Part):
    bootstrap_servers: str
    consumer_group: str
    topic: str
    lag_threshold: Number
    activation_lag_threshold: Number


class Trigger(Part):
    type: Literal["kafka"]
    metadata: Kafka


class Policy(Part):
    type: Literal["Pods", "Percent"]
    value: int = Field(gt=0)
    period_seconds: int = Field(gt=0, le=1_800)


class Scaling(Part):
    stabilization_window_seconds: int = Field(ge=0, le=3_600)
    policies: Some[Policy]


class Behavior(Part):
    scale_down: Scaling


class Autoscaler(Part):
    behavior: Behavior


class Advanced(Part):
    horizontal_pod_autoscaler_config: Autoscaler


class Scaled(Part):
    scale_target_ref: Target
    min_replica_count: int = Field(ge=0)
    max_replica_count: int = Field(ge=1)
    cooldown_period: int = Field(ge=0)
    advanced: Advanced
    triggers: Annotated[list[Trigger], Field(min_length=1)]


class ScaledObject(Part):
    api_version: Literal["keda.sh/v1alpha1"]
    kind: Literal["ScaledObject"]
    metadata: Metadata
    spec: Scaled


class Path(Part):
    type: Literal["Exact", "PathPrefix"]
    value: Annotated[str, StringConstraints(pattern=r"^/", max_length=1_024)]


class Match(Part):
    path: Path


class WholePath(Part):
    type: Literal["ReplaceFullPath"]
    replace_full_path: str


class PathPrefix(Part):
    type: Literal["ReplacePrefixMatch"]
    replace_prefix_match: str


class Redirect(Part):
    path: WholePath | PathPrefix
    status_code: Literal[301, 302, 303, 307, 308]


class Rewrite(Part):
    path: WholePath | PathPrefix


class RequestRedirect(Part):
    type: Literal["RequestRedirect"]
    request_redirect: Redirect


class UrlRewrite(Part):
    type: Literal["URLRewrite"]
    url_rewrite: Rewrite


class Backend(Part):
    name: Name
    port: int = Field(ge=1, le=65_535)


class Rule(Part):
    """One that neither redirects nor names a backend is answered with 500, which may be meant nowhere here."""

    matches: Annotated[list[Match], Field(min_length=1, max_length=64)]
    filters: Some[RequestRedirect | UrlRewrite] | None = None
    backend_refs: Some[Backend] | None = None

    def model_post_init(self, _: Any) -> None:
        redirects = any(isinstance(one, RequestRedirect) for one in self.filters or ())
        if redirects == (self.backend_refs is not None):
            raise ValueError("a rule redirects or has a backend, and one of them")


class Route(Part):
    parent_refs: Some[Metadata]
    hostnames: Some[Name]
    rules: Some[Rule]


class HTTPRoute(Part):
    api_version: Literal["gateway.networking.k8s.io/v1"]
    kind: Literal["HTTPRoute"]
    metadata: Metadata
    spec: Route


CUSTOM: dict[str, type[Part]] = {"ScaledObject": ScaledObject, "HTTPRoute": HTTPRoute}
