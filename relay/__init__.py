"""A local SMTP relay: takes mail the old way and sends it on with OAuth."""

__version__ = "0.1.0"
