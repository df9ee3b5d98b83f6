"""The closed form against MuJoCo's own list of contacts."""

import mujoco
import numpy as np
import pytest

from mocapact_core.humanoid.model import layout, load_model
from mocapact_core.humanoid.physics import Physics
from mocapact_core.tasks.contact import lowest_points, nonfoot_contact

N_STATES = 600


@pytest.fixture(scope="module")
def physics() -> Physics:
    """Random poses in any orientation, from well above the floor to half sunk into it."""
    rng = np.random.default_rng(0)
    model = load_model()
    qpos = np.zeros((N_STATES, model.nq))
    qpos[:, 2] = rng.uniform(-0.2, 1.5, N_STATES)
    qpos[:, 3:7] = rng.normal(size=(N_STATES, 4))
    qpos[:, 3:7] /= np.linalg.norm(qpos[:, 3:7], axis=1, keepdims=True)
    low, high = layout().joint_range.T
    qpos[:, layout().joint_qpos] = rng.uniform(low, high, (N_STATES, 56))
    physics = Physics(N_STATES)
    physics.place(np.arange(N_STATES), qpos, np.zeros((N_STATES, model.nv)))
    return physics


def geoms_on_floor(data: mujoco.MjData) -> set[int]:
    """Geoms that MuJoCo lists in contact with the floor."""
    floor = load_model().geom("groundplane").id
    return {int(geom) for pair in data.contact.geom if floor in pair for geom in pair} - {floor}


def test_same_as_the_contact_list(physics):
    touching = nonfoot_contact(physics.state())
    listed = [bool(geoms_on_floor(physics.data(world)) & set(layout().others)) for world in range(N_STATES)]
    np.testing.assert_array_equal(touching, listed)
    assert 0.2 < touching.mean() < 0.8  # the states must tell the cases apart


def test_every_single_geom(physics):
    """Feet too: spheres are only there."""
    geoms = np.sort(np.concatenate([layout().feet, layout().others]))
    low = lowest_points(physics.state(), geoms) <= 0
    for world in range(N_STATES):
        assert set(geoms[low[world]]) == geoms_on_floor(physics.data(world))


def test_geoms_are_those_of_dm_control():
    """dm_control forbids every geom outside the feet's bodies; those that cannot collide never matter."""
    model = load_model()
    names = [model.geom(i).name for i in range(model.ngeom)]
    parts = ("foot", "foot_ch", "toes0", "toes1", "toes2")
    assert {names[i] for i in layout().feet} == {f"walker/{side}{part}" for side in "lr" for part in parts}
    colliding = {i for i, name in enumerate(names) if model.geom_contype[i] and name.startswith("walker/")}
    assert colliding == set(layout().feet) | set(layout().others)


def test_some_worlds_only(physics):
    worlds = np.array([5, 2, 77])
    np.testing.assert_array_equal(
        nonfoot_contact(physics.state(worlds)), nonfoot_contact(physics.state())[worlds]
    )
