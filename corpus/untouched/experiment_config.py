"""Configuration objects: attributes and nested dictionaries that are changed after they were made."""

import argparse
from types import SimpleNamespace


class Config(dict):
    """A dict whose keys are attributes too."""

    def __getattr__(self, name):
        return self[name]

    def __setattr__(self, name, value):
        self[name] = value


def scale_for_devices(config, devices):
    """Linear scaling rule."""
    config.lr *= devices
    config.batch_size *= devices
    config.warmup += 100 * (devices - 1)
    config.name += f"-x{devices}"
    config.tags += ["scaled"]
    config["schedule"]["steps"] //= devices
    config["schedule"]["gamma"] **= 2
    return config


def parse(argv):
    """Command line with counts and appended values."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-v", "--verbose", action="count", default=0)
    parser.add_argument("--size", type=int, default=8)
    args = parser.parse_args(argv)
    args.verbose += 1
    args.size <<= 1
    return args


def main():
    config = Config(lr=0.1, batch_size=32, warmup=500, name="base", tags=["a"])
    config["schedule"] = {"steps": 1000, "gamma": 0.9}
    config = scale_for_devices(config, 4)
    args = parse(["-v", "-v", "--size", "5"])
    space = SimpleNamespace(dropout=0.1, heads=[2, 4])
    space.dropout += 0.1
    space.heads[0] *= 2
    return {"config": dict(config), "args": vars(args), "space": vars(space)}


if __name__ == "__main__":
    print(main())
