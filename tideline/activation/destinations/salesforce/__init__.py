"""Salesforce: fields of records of one object."""

from tideline.activation.destinations.salesforce.records import SalesforceRecords

__all__ = ["SalesforceRecords"]
