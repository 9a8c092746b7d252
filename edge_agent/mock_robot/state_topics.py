"""The mock dog's state topics: its state written into the SDK's own messages."""

from collections.abc import Callable
from typing import Any

from edge_agent.mock_robot.dog_state import DogState, Told

SPORT_STATE_TOPIC = "rt/sportmodestate"
LOW_STATE_TOPIC = "rt/lowstate"
LEG_MOTORS = 12
HOTTEST_MOTOR = 4
WALKING_MODE = 3


def open_state_topics() -> Callable[[Told], None]:
    """Return what writes one moment to the topics; the process has joined its DDS domain."""
    from unitree_sdk2py.core.channel import ChannelPublisher
    from unitree_sdk2py.idl.default import (
        unitree_go_msg_dds__LowState_,
        unitree_go_msg_dds__SportModeState_,
    )
    from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowState_, SportModeState_

    sport_topic = ChannelPublisher(SPORT_STATE_TOPIC, SportModeState_)
    low_topic = ChannelPublisher(LOW_STATE_TOPIC, LowState_)
    sport_topic.Init()
    low_topic.Init()
    sport, low = unitree_go_msg_dds__SportModeState_(), unitree_go_msg_dds__LowState_()

    def write(told: Told) -> None:
        if told.sport is not None:
            _fill_sport(sport, told.sport)
            sport_topic.Write(sport)
        if told.low is not None:
            _fill_low(low, told.low)
            low_topic.Write(low)

    return write


def _fill_sport(message: Any, state: DogState) -> None:
    message.stamp.sec = int(state.time_s)
    message.stamp.nanosec = int((state.time_s % 1.0) * 1e9)
    message.error_code = 0
    message.mode = state.mode
    message.progress = state.progress
    message.gait_type = 1 if state.mode == WALKING_MODE else 0
    message.position = list(state.position_m)
    message.velocity = list(state.velocity_m_s)
    message.yaw_speed = state.yaw_speed_rad_s
    message.body_height = state.body_height_m
    message.imu_state.rpy = list(state.rpy_rad)
    message.imu_state.gyroscope = list(state.gyroscope_rad_s)


def _fill_low(message: Any, state: DogState) -> None:
    message.tick = int(state.time_s * 1000) & 0xFFFFFFFF
    message.bms_state.soc = max(0, min(100, round(state.battery_percent)))
    message.power_v = 28.0 + 0.05 * state.battery_percent
    cooler = round(min(state.motor_temperature_c, 60.0))
    for index in range(LEG_MOTORS):
        message.motor_state[index].temperature = cooler
    message.motor_state[HOTTEST_MOTOR].temperature = round(state.motor_temperature_c)
    message.imu_state.rpy = list(state.rpy_rad)
