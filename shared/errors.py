"""One tree of errors, each with a stable code that logs, HTTP bodies and exit messages carry.

ShadowdogError
├── ConfigurationError        configuration_invalid   a setting or an argument is wrong
├── DataError                 data_invalid            a data file or a row is wrong
├── BundleError               bundle_invalid          the files an edge runs do not fit their manifest
├── ModelError                model_invalid           a base or a shadow cannot be loaded exactly
│   ├── BaseUnavailable       base_unavailable        the base is not in the cache or its hash is wrong
│   ├── CheckpointMismatch    checkpoint_mismatch     missing, unexpected or mis-shaped tensors
│   └── CheckpointForeign     checkpoint_foreign      another network's files, refused by name
├── UpstreamError             upstream_failed         the server that runs the model refuses or errs
│   └── UpstreamLost          upstream_lost           it does not answer, or broke an answer off
├── RobotError                robot_error
│   ├── RobotUnavailable      robot_unavailable       no robot answers, or its state is stale
│   └── RobotRejected         robot_rejected          the robot answered with an error code
├── CloudError                cloud_error
│   ├── CloudUnreachable      cloud_unreachable       no connection
│   ├── CloudTimeout          cloud_timeout           the deadline passed
│   ├── CloudRefused          cloud_refused           an HTTP error answer
│   └── CloudProtocolError    cloud_protocol          an answer that is not what CONTRACT.md says
├── SpeechError               speech_error
│   ├── SpeechUnavailable     speech_unavailable      a model, a package or a device of speech is missing (503)
│   └── SpeechAbandoned       speech_abandoned        nobody wants these words any more; stays inside the agent
└── RequestError              request_invalid         what a caller sent is refused, with an HTTP status
    ├── Unauthorized          unauthorized            401
    ├── Forbidden             forbidden               403
    ├── NotFound              not_found               404
    ├── Conflict              conflict                409
    ├── AudioInvalid          audio_invalid           422: no recording that can be read
    ├── AudioTooLong          audio_too_long          413: more seconds than are understood
    ├── AudioUnsupported      audio_unsupported       415: a media type that is not taken
    ├── TooLarge              too_large               413
    ├── RangeUnsatisfiable    range_unsatisfiable     416: a part behind the end of a file
    ├── RateLimited           rate_limited            429
    ├── Busy                  busy                    503
    └── DeadlinePassed        deadline_passed         504
"""

from typing import ClassVar


class ShadowdogError(Exception):
    """Root of the tree; `message` tells the reader what to do."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigurationError(ShadowdogError):
    code = "configuration_invalid"


class DataError(ShadowdogError):
    code = "data_invalid"


class BundleError(ShadowdogError):
    code = "bundle_invalid"


class ModelError(ShadowdogError):
    code = "model_invalid"
    status = 422  # over HTTP, a shadow that an administrator asked for does not fit


class BaseUnavailable(ModelError):
    code = "base_unavailable"


class CheckpointMismatch(ModelError):
    code = "checkpoint_mismatch"


class CheckpointForeign(ModelError):
    code = "checkpoint_foreign"


class UpstreamError(ShadowdogError):
    code = "upstream_failed"
    status = 502


class UpstreamLost(UpstreamError):
    code = "upstream_lost"
    status = 503


class RobotError(ShadowdogError):
    code = "robot_error"
    status = 503


class RobotUnavailable(RobotError):
    code = "robot_unavailable"


class RobotRejected(RobotError):
    code = "robot_rejected"


class CloudError(ShadowdogError):
    """`passing`: nothing of an answer had come, and the same question may be asked again."""

    code = "cloud_error"
    status = 502
    passing: bool = False


class CloudUnreachable(CloudError):
    code = "cloud_unreachable"


class CloudTimeout(CloudError):
    code = "cloud_timeout"


class CloudRefused(CloudError):
    """`answered`: the HTTP status, None where a streamed answer was given up; `retry_after_s`: asked for."""

    code = "cloud_refused"

    def __init__(
        self, message: str, answered: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.answered = answered
        self.retry_after_s = retry_after_s


class CloudProtocolError(CloudError):
    code = "cloud_protocol"


class SpeechError(ShadowdogError):
    code = "speech_error"
    status = 503


class SpeechUnavailable(SpeechError):
    code = "speech_unavailable"


class SpeechAbandoned(SpeechError):
    code = "speech_abandoned"


class RequestError(ShadowdogError):
    code = "request_invalid"
    status = 422


class Unauthorized(RequestError):
    code = "unauthorized"
    status = 401


class Forbidden(RequestError):
    code = "forbidden"
    status = 403


class NotFound(RequestError):
    code = "not_found"
    status = 404


class Conflict(RequestError):
    code = "conflict"
    status = 409


class AudioInvalid(RequestError):
    code = "audio_invalid"
    status = 422


class AudioTooLong(RequestError):
    code = "audio_too_long"
    status = 413


class AudioUnsupported(RequestError):
    code = "audio_unsupported"
    status = 415


class TooLarge(RequestError):
    code = "too_large"
    status = 413


class RangeUnsatisfiable(RequestError):
    """`size_bytes`: the whole file's."""

    code = "range_unsatisfiable"
    status = 416

    def __init__(self, message: str, size_bytes: int) -> None:
        super().__init__(message)
        self.size_bytes = size_bytes


class RateLimited(RequestError):
    """`retry_after_s`: after how many seconds the same request may pass."""

    code = "rate_limited"
    status = 429

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Busy(RequestError):
    code = "busy"
    status = 503


class DeadlinePassed(RequestError):
    code = "deadline_passed"
    status = 504
