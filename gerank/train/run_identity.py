"""What a run is of, so that it does not go on as another one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gerank.data.schema import FeatureSchema
from gerank.data.schema_difference import schema_differences
from gerank.train.choices import Device
from gerank.train.config import TrainConfig
from gerank.train.config_toml import config_differences
from gerank.train.log_identity import LogIdentity


@dataclass(frozen=True)
class RunIdentity:
    """What must be the same where a run goes on.

    Attributes:
        config: All settings. The device and the parts of a batch are none of them: a run may go
            on on another machine.
        schema: Is the schema of the log it learns from.
        log: Tells which log that is; None = nobody said.
    """

    config: TrainConfig
    schema: FeatureSchema
    log: LogIdentity | None

    def difference(self, now: RunIdentity) -> str:
        """What a run was that is another one now, as the rest of a sentence; empty = nothing.

        Where `now` names no log, logs are not compared.
        """
        different = config_differences(*map(_on_any_machine, (self.config, now.config)))
        if different:
            return f"holds a run with another configuration: {'; '.join(different)}"
        different = schema_differences(self.schema, now.schema)
        if different:
            return (
                f"was trained on a log of another schema. In the log of now {'; '.join(different)}"
            )
        if now.log is not None and self.log != now.log:
            was = self.log.size if self.log else "not told"
            return (
                f"was trained on another log: {was}, and {now.log.size} now, of "
                f"{now.config.data.log}"
            )
        return ""


def _on_any_machine(config: TrainConfig) -> TrainConfig:
    return replace(config, train=replace(config.train, device=Device.AUTO, accumulate=1))
