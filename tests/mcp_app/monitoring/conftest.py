from tests.support.parts import channel_layers, mailbox, open_mailbox, record, redis, relay, store

__all__ = ["channel_layers", "mailbox", "open_mailbox", "record", "redis", "relay", "store"]
