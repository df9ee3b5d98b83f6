"""Which snippets a policy is trained on, and which it is validated on."""

from collections.abc import Iterable, Sequence

from mocapact_core.clips.snippets import Snippet, select
from mocapact_core.errors import InputError
from mocapact_core.settings import PolicySettings


def training_and_validation(
    snippets: Iterable[Snippet], name: str, policy: PolicySettings
) -> tuple[list[Snippet], list[Snippet]]:
    """The snippets to train on and those to validate on, each sorted; the latter may be none.

    Args:
        snippets: those that there are.
        name: of the policy.

    Raises:
        InputError: the settings name what is not there, or a snippet for both.
    """
    snippets = list(snippets)
    place = f"that distillation.policies.{name} can use"
    training = select(snippets, policy.subset, place)
    validation = [] if policy.validation is None else select(snippets, policy.validation, place)
    check_apart(training, validation, f"distillation.policies.{name}.validation")
    return training, validation


def check_apart(training: Sequence[Snippet], validation: Sequence[Snippet], setting: str) -> None:
    """Raise InputError when a snippet is on both sides."""
    if both := sorted(set(training) & set(validation)):
        raise InputError(
            f"{setting} names {len(both)} snippets that the policy is trained on, such as {both[0]}. Name others, or "
            "leave these out of its subset."
        )
