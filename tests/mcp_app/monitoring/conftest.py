from tests.support.parts import bus, channel_layers, directory, open_bus, record, redis, relay, store

__all__ = ["bus", "channel_layers", "directory", "open_bus", "record", "redis", "relay", "store"]
