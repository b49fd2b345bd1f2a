"""Damaged files of every format, by the thousand: each is read or refused, in time."""
