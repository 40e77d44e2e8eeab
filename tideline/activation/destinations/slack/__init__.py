"""Slack: messages to a channel about who enters, changes and leaves."""

from tideline.activation.destinations.slack.messages import Slack

__all__ = ["Slack"]
