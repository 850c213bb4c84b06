"""Errors that somebody catches, or that end where nobody sees them: what raises out of place must not be called safe."""

from __future__ import annotations

import pytest
from rewriting import fixes

CODE = (
    "def main():\n    w = torch.ones(3, requires_grad=True)\n    h = torch.sigmoid(w)\n    h += 1\n    return h.sum()\n"
)
BOTH = "def both():\n    return main, Data, test\n"
TRY = "    try:\n        {}\n    except {}:\n        pass\n"


def with_class(method: str, use: str, error: str = "RuntimeError") -> str:
    """A class one method of which trains, and a `try` that comes to it by `use`."""
    return f"class Data:\n    width = 3\n{method}\ndef test(data, path):\n{TRY.format(use, error)}"


def trains(head: str, end: str = "return 1") -> str:
    return f"    {head}\n        main().backward()\n        {end}"


POOL = (
    "from concurrent.futures import ThreadPoolExecutor\ndef test(xs):\n    with ThreadPoolExecutor() as pool:\n"
    "        found = [pool.submit(main) for _ in xs]\n        {}\n"
)
TURNED = "def test(t):\n    try:\n        main()\n    except RuntimeError as e:\n        raise {}(str(e)) from e\n{}"
RAN_OUT = (
    "def test(last):\n    try:\n        main()\n    except RuntimeError as e:\n        print(last)\n"
    "        if 'out of memory' in str(e):\n            return None\n        else:\n            raise e\n"
)
SEEN = {
    "a method like a check sum's": with_class(trains("def update(self, x):"), "data.update(path)"),
    "pieces of its own": with_class(trains("def items(self):", "yield 1"), "for x in data.items():\n            pass"),
    "pieces of its own, counted": with_class(trains("def items(self):", "yield 1"), "for i, x in enumerate(data.items()):\n            pass"),
    "something counted": with_class(trains("def __iter__(self):", "yield 1"), "for i, x in enumerate(data):\n            pass"),
    "one of what it goes through": with_class(trains("def __iter__(self):", "yield 1"), "x = path in data"),
    "a stand-in with a side effect": "from unittest.mock import MagicMock\nrun = MagicMock(side_effect=main)\ndef test():\n" + TRY.format("run()", "Exception"),
    "a stand-in that is given one": "from unittest.mock import MagicMock\nrun = MagicMock()\nrun.side_effect = main\ndef test():\n" + TRY.format("run()", "Exception"),
    "a function put into a library": "import requests\nrequests.get = main\ndef test():\n" + TRY.format("requests.get()", "Exception"),
    "a stand-in that is handed on": "from unittest.mock import MagicMock\nrun = MagicMock()\ndef put(t):\n    t.step = main\nput(run)\ndef test():\n" + TRY.format("run.step()", "Exception"),
    "a function for a missing import": "try:\n    from requests import get as run\nexcept ImportError:\n    run = main\ndef test():\n" + TRY.format("run()", "Exception"),
    "a class for a missing import": "class Other:\n    def __call__(self):\n        return main()\ntry:\n    from requests import get as run\nexcept ImportError:\n    run = Other()\ndef test():\n" + TRY.format("run()", "Exception"),
    "a stand-in under two names": "from unittest.mock import MagicMock\nrun = other = MagicMock()\nother.step = main\ndef test():\n" + TRY.format("run.step()", "Exception"),
    "a stand-in that is set up": "from unittest.mock import MagicMock\nrun = MagicMock()\nrun.configure_mock(step=main)\ndef test():\n" + TRY.format("run.step()", "Exception"),
    "what a check sum goes through": "def test(logs):\n    found = (main() for _ in range(2))\n" + TRY.format("logs.update(found)", "RuntimeError"),
    "what a slice goes through": "def test(logs):\n    found = (main() for _ in range(2))\n" + TRY.format("logs[:] = found", "RuntimeError"),
    "a function in an attribute": "class Data:\n    def __init__(self):\n        self.update = main\ndef test(data):\n" + TRY.format("data.update()", "RuntimeError"),
    "a function in a namespace": "from types import SimpleNamespace\ndef test():\n    data = SimpleNamespace(write=main)\n" + TRY.format("data.write()", "RuntimeError"),
    "a default that is computed": "from collections import defaultdict\ndef test():\n    data = defaultdict(lambda: main())\n" + TRY.format("x = data['a']", "RuntimeError"),
    "a stand-in that is bound anew": "from unittest.mock import MagicMock\nrun = MagicMock()\nrun = main\ndef test():\n" + TRY.format("run()", "Exception"),
    "a parameter named like a stand-in": "from unittest.mock import MagicMock\nrun = MagicMock()\ndef test(run=main):\n" + TRY.format("run()", "Exception"),
    "an item": with_class(trains("def __getitem__(self, i):"), "x = data[0]"),
    "a missing key": with_class(trains("def __missing__(self, k):"), "x = data['a']", "Exception"),
    "a property": with_class(f"    @property\n{trains('def loss(self):')}", "x = data.loss"),
    "a loop over items": with_class(trains("def __getitem__(self, i):"), "for x in data:\n            pass"),
    "a generator": with_class(trains("def items(self):", "yield 1"), "x = list(data)"),
    "what a text is made of": with_class(trains("def __str__(self):", "return ''"), "x = f'{data}'"),
    "what is printed": with_class(trains("def __repr__(self):", "return ''"), "print(data)"),
    "a truth": with_class(trains("def __len__(self):"), "x = 1 if data else 2"),
    "a comparison": with_class(trains("def __eq__(self, other):"), "x = data == path"),
    "a number": with_class(trains("def __float__(self):", "return 1.0"), "x = float(data)"),
    "a context": with_class(trains("def __enter__(self):"), "with data:\n            pass"),
    "an attribute by its name": with_class("    @property\n" + trains("def size(self):"), "x = getattr(data, path)"),
    "whether there is an attribute": with_class("    @property\n" + trains("def size(self):"), "x = hasattr(data, path)"),
    "any attribute by its name": with_class(trains("def __getattr__(self, k):"), "x = getattr(data, path)"),
    "any attribute": with_class(trains("def __getattr__(self, k):"), "x = data.width"),
    "a method like a file's": with_class(trains("def read(self):"), "x = data.read()"),
    "through another property": with_class(
        f"    @property\n    def size(self):\n        return self.loss\n    @property\n{trains('def loss(self):')}",
        "x = data.size",
    ),
    "a key function": "def test(data):\n" + TRY.format("x = sorted(data, key=main)", "RuntimeError"),
    "a lambda": "def test(data):\n" + TRY.format("x = max(data, key=lambda d: main())", "RuntimeError"),
    "a library that calls back": "import timeit\ndef test():\n" + TRY.format("timeit.timeit(main)", "RuntimeError"),
    "a library that iterates": "import statistics\ndef test(d):\n" + TRY.format("statistics.mean(d)", "Exception"),
    "a default for what is unknown": "import json\ndef test(d):\n" + TRY.format("json.dumps(d, default=main)", "Exception"),
    "an error of another name": "OSError = RuntimeError\ndef test():\n" + TRY.format("main()", "OSError"),
    "a task": "import asyncio\nasync def run():\n    main()\nasync def test():\n    asyncio.create_task(run())",
    "a pool": "def test(pool):\n    pool.submit(main)",
    "a pool of processes": "def test(pool):\n    pool.apply_async(main)",
    "a pool whose results nobody takes": "from concurrent.futures import ThreadPoolExecutor\ndef test(xs):\n"
    "    with ThreadPoolExecutor(1) as pool:\n        pool.map(main, xs)",
    "a pool that nobody goes through": "def test(pool, xs):\n    pool.imap(main, xs)",
    "a callback": "def test(future):\n    future.add_done_callback(main)",
    "a key that is handed in": "def test(data, key):\n" + TRY.format("x = min(data, key=key)", "RuntimeError"),
    "a process": "from multiprocessing import Process\ndef test():\n    Process(target=main).start()",
    "a timer": "import threading\ndef test():\n    threading.Timer(0, main).start()",
    "a loop of events": "def test(loop):\n    loop.call_soon(main)",
    "the end of an object": "class Data:\n    def __del__(self):\n        main()",
    "the end of the program": "import atexit\natexit.register(main)",
    "a test that must fail": "import pytest\n@pytest.mark.xfail\ndef test():\n    main()",
    "a runner of tests": "import unittest\ndef test(suite):\n    main()\n    return unittest.TextTestRunner().run(suite)",
    "another class of that name": "from mine import KeyError\ndef test():\n" + TRY.format("main()", "KeyError"),
    "errors that are listed": "def test():\n" + TRY.format("main()", "(KeyError, RuntimeError)"),
    "all errors": "def test():\n" + TRY.format("main()", "BaseException"),
    "a class that is put together": "Error = (ValueError, RuntimeError)\ndef test():\n" + TRY.format("main()", "Error"),
    "a class that is looked up": "import torch\ndef test():\n" + TRY.format("main()", "torch.cuda.Error"),
    "an error that becomes another": "def test():\n    try:\n        try:\n            main()\n        except RuntimeError as e:\n"
    "            raise ValueError from e\n    except ValueError:\n        pass\n",
    "an error that becomes one of the file's": "class Stop(Exception):\n    pass\ndef test():\n    try:\n        try:\n            main()\n"
    "        except RuntimeError:\n            raise Stop\n    except Stop:\n        pass\n",
    "an error that becomes a library's": "import socket\ndef test():\n    try:\n        try:\n            main()\n"
    "        except RuntimeError:\n            raise OSError\n    except socket.error:\n        pass\n",
    "an error that may be raised again": "def test(last):\n    try:\n        main()\n    except RuntimeError:\n        if last:\n            raise\n",
    "an error after which a loop goes on": "def test(last):\n    for i in range(3):\n        try:\n            main()\n"
    "        except RuntimeError:\n            if i < last:\n                continue\n            raise\n",
    "an error by its text": RAN_OUT.replace("out of memory", "in-place operation"),
    "another text about memory": RAN_OUT.replace("str(e)", "last"),
    "work whose results nobody asks for": POOL.format("return found"),
    "work of which one result is asked for": POOL.format("return found[0].result()"),
    "an error that hasattr ends": TURNED.format("AttributeError", "    return hasattr(t, 'loss')\n"),
    "an error of the file that hasattr ends": "class Gone(AttributeError):\n    pass\n" + TURNED.format("Gone", "    return hasattr(t, 'loss')\n"),
    "an error of another file": "from lib import Gone\n" + TURNED.format("Gone", "    return hasattr(t, 'loss')\n"),
    "an error that ends a loop": TURNED.format("IndexError", ""),
    "an error that ends an iteration": TURNED.format("StopIteration", ""),
    "an error that a table ends": TURNED.format("KeyError", ""),
    "an error of the system beside a library's": "import socket\n" + TURNED.format("TimeoutError", "    try:\n        t()\n    except socket.timeout:\n        pass\n"),
    "an error that becomes what is suppressed": "import contextlib\n" + TURNED.format("ValueError", "    with contextlib.suppress(ValueError):\n        test(t)\n"),
    "a text with more in it": RAN_OUT.replace("str(e)", "str(e) + ' memory'"),
    "a text that a helper makes": RAN_OUT.replace("str(e)", "hint(e)"),
    "a handler that may raise another error": "def fail(e):\n    raise KeyError(e)\ndef test(t):\n    try:\n        try:\n            main()\n"
    "        except RuntimeError as e:\n            fail(e)\n            raise\n    except KeyError:\n        pass\n",
    "a handler that looks something up": "def test(t):\n    try:\n        try:\n            main()\n        except RuntimeError as e:\n"
    "            t['a']['b'] = 1\n            raise\n    except KeyError:\n        pass\n",
    "an error that cannot be made": "def test(t):\n    try:\n        try:\n            main()\n        except RuntimeError as e:\n"
    "            raise ValueError('no' + e)\n    except TypeError:\n        pass\n",
    "an end of the program": "import sys\ndef test():\n    try:\n        main()\n    except RuntimeError:\n        sys.exit(1)\n        raise\n",
    "a class or what an import gives": "try:\n    from mine import Stop\nexcept ImportError:\n    class Stop(Exception):\n"
    "        pass\ndef test():\n" + TRY.format("main()", "Stop"),
    "warnings": "def test():\n" + TRY.format("main()", "UserWarning"),
    "suppressed": "import contextlib\ndef test():\n    with contextlib.suppress(ValueError, RuntimeError):\n        main()",
    "suppressed, by another name": "from contextlib import suppress as quiet\ndef test():\n    with quiet(ValueError):\n"
    "        main()",
    "suppressed, handed on": "import contextlib\ndef test(f):\n    f(contextlib.suppress)\n    main()",
    "a sum": with_class(trains("def __radd__(self, other):"), "x = 1 + data"),
    "a helper": "def helper():\n    return main()\ndef test():\n" + TRY.format("helper()", "RuntimeError"),
    "a helper's helper": "def one():\n    return two()\ndef two():\n    main().backward()\n    return one()\ndef test():\n"
    + TRY.format("one()", "RuntimeError"),
    "a helper that is bound again": "def helper():\n    return 1\nhelper = main\ndef test():\n" + TRY.format("helper()", "RuntimeError"),
    "a helper of the same name": "def helper():\n    return 1\nif DEBUG:\n    def helper():\n        return main()\ndef test():\n"
    + TRY.format("helper()", "RuntimeError"),
    "a helper with a decorator": "@mine\ndef helper():\n    return 1\ndef test():\n" + TRY.format("helper()", "RuntimeError"),
    "a helper that calls what it is given": "def helper(f):\n    return f()\ndef test():\n" + TRY.format("helper(main)", "RuntimeError"),
    "a helper that goes on later": "def helper():\n    yield main()\ndef test():\n" + TRY.format("list(helper())", "RuntimeError"),
    "a method that loads": with_class(trains("def load_state_dict(self, d):"), "data.load_state_dict(path)"),
    "a module that runs when it is restored": with_class(trains("def _load_from_state_dict(self, *a):"), "data.load_state_dict(path)"),
    "a module that runs when it is read": with_class(trains("def __reduce__(self):"), "torch.load(path)"),
    "a function that is called like a builtin": "def open(path):\n    return main()\ndef test(path):\n" + TRY.format("open(path)", "RuntimeError"),
    "a name that is bound like a builtin": "open = main\ndef test(path):\n" + TRY.format("open()", "RuntimeError"),
    "a generator expression": "def test(xs):\n    each = (main() for x in xs)\n" + TRY.format("x = list(each)", "RuntimeError"),
    "what map goes through": "def test(xs):\n    done, each = [], map(main, xs)\n" + TRY.format("done.extend(each)", "RuntimeError"),
    "what a text is joined of": "def test(xs):\n    each = map(lambda x: main(), xs)\n" + TRY.format("','.join(each)", "RuntimeError"),
    "a property that is called so": with_class("    def _loss(self):\n        return main()\n    loss = property(_loss)", "x = data.loss"),
    "a method that is bound to another name": with_class("    def item(self, i):\n        return main()\n    __getitem__ = item", "x = data[0]"),
    "another torch": "import mine as torch\ndef test(path):\n" + TRY.format("torch.load(path)", "RuntimeError"),
    "another error by the end of a context": "class Guard:\n    def __enter__(self):\n        return self\n    def __exit__(self, *a):\n"
    "        raise ValueError\ndef test():\n    try:\n        with Guard():\n            main()\n    except ValueError:\n        pass\n",
    "another error by a finally": "def job():\n    try:\n        main()\n    finally:\n        mean = 1 / n\ndef test():\n"
    + TRY.format("job()", "ZeroDivisionError"),
    "an exit in a finally": "import sys\ndef test():\n    try:\n        main()\n    finally:\n        sys.exit(0)\n",
    "the end of a context by another name": "class Guard:\n    __exit__ = leave\ndef test():\n    with Guard():\n        main()\n",
    "an error under a name of a class": "class Job:\n    Empty = RuntimeError\ndef test():\n" + TRY.format("main()", "Job.Empty"),
    "what a list is unpacked from": "def test(xs):\n    each = (main() for x in xs)\n" + TRY.format("[a, b] = each", "RuntimeError"),
    "a search": with_class(trains("def __iter__(self):"), "x = 3 in data"),
    "a text by its form": with_class(trains("def __str__(self):", "return ''"), "x = '%s' % data"),
    "a callback of a pattern": "import re\ncall = {}['a']\ndef test(s):\n" + TRY.format("re.sub('a', call, s)", "RuntimeError"),
    "a file of the file": with_class(trains("def write(self, s):"), "print('a', file=data)"),
    "a module's text": with_class(trains("def extra_repr(self):", "return ''"), "print(data)"),
    "a module that is moved": with_class(trains("def _apply(self, f):"), "data.cpu()"),
    "a hook of states": "def test(net, d):\n    net.register_load_state_dict_post_hook(main)\n" + TRY.format("net.load_state_dict(d)", "RuntimeError"),
    "an attribute that goes": with_class(trains("def __delattr__(self, k):"), "del data.width"),
    "a sign": with_class(trains("def __neg__(self):"), "x = -data"),
    "a class that is made": "class Base:\n    def __init_subclass__(cls):\n        main()\ndef test():\n" + TRY.format("class Sub(Base): pass", "RuntimeError"),
    "a class by its type": "Box = type('Box', (), {'__getitem__': main})\ndef test(b):\n" + TRY.format("x = b[0]", "RuntimeError"),
    "a function that is decorated": "def test():\n    try:\n        @main\n        def f():\n            pass\n    except RuntimeError:\n        pass\n",
    "a case": with_class(f"    @property\n{trains('def loss(self):')}", "match data:\n            case Data(loss=1): pass"),
    "a log's end": "import logging\nclass Probe(logging.Handler):\n    def emit(self, r):\n        main()\ndef test():\n" + TRY.format("logging.error('x')", "RuntimeError"),
    "what is pickled": "import pickle\n" + with_class(trains("def __reduce__(self):", "return (int, ())"), "pickle.dumps(data)"),
    "a sum of a library": "import math\ndef test(xs):\n    each = (main() for x in xs)\n" + TRY.format("math.fsum(each)", "RuntimeError"),
    "an iterator of calls": "from functools import partial\ndef test():\n    each = iter(partial(main), 2)\n" + TRY.format("for x in each: break", "RuntimeError"),
    "gradients": "def test(x, y):\n" + TRY.format("g = torch.autograd.grad(y, x)", "RuntimeError"),
    "a view that needs strides": "def test(y):\n" + TRY.format("z = y.view(3)", "RuntimeError"),
    "a tensor that runs code": with_class(trains("def __torch_function__(cls, f, types):"), "x = torch.stack(data)"),
    "a method of a tensor that runs code": with_class(trains("def __torch_function__(cls, f, types):"), "x = data.sum()"),
    "a copy into what anybody has": "def test(h, p):\n" + TRY.format("h.copy_(p)", "RuntimeError"),
    "what counts operations": "def test():\n    with torch.profiler.profile():\n        main()",
}  # fmt: skip
DOWNLOAD = (
    "import hashlib\nimport requests\ndef check(path):\n    sha = hashlib.sha1()\n    with open(path, 'rb') as f:\n"
    "        while True:\n            data = f.read(1048576)\n            if not data:\n                break\n"
    "            sha.update(data)\n    return sha.hexdigest()\ndef fetch(url, path, tries=3):\n    while tries > 0:\n        try:\n"
    "            print('from {}'.format(url))\n            r = requests.get(url, stream=True)\n"
    "            if r.status_code != 200:\n                raise RuntimeError('Failed {}'.format(url))\n"
    "            with open(path, 'wb') as f:\n                for chunk in r.iter_content(chunk_size=1024):\n"
    "                    if chunk:\n                        f.write(chunk)\n            if check(path) != '0':\n"
    "                raise UserWarning('broken')\n            break\n        except Exception as e:\n"
    "            tries -= 1\n            if tries <= 0:\n                raise e\n"
)
MOCKS = "from unittest.mock import mock_open, MagicMock\nopen = mock_open()\nyaml = logging = MagicMock()\n"
UNSEEN = {
    "an attribute by its name, which computes nothing": with_class("    def size(self):\n        return 1\n", "x = getattr(data, path)"),
    "whether there is one, which computes nothing": with_class("    def size(self):\n        return 1\n", "x = hasattr(data, path)"),
    "an import with a fallback": "try:\n    import requests\nexcept ImportError:\n    requests = None\ndef test():\n" + TRY.format("r = requests.get(3)", "Exception"),
    "a download": DOWNLOAD,
    "a download with stand-ins": MOCKS + DOWNLOAD,
    "what is logged by a stand-in": MOCKS + "def test():\n" + TRY.format("logging.info(3)", "Exception"),
    "pieces of a text": "def test(t):\n" + TRY.format("x = [int(one) for one in t.split('.')]", "Exception"),
    "a number among numbers": with_class(trains("def __iter__(self):", "yield 1"), "x = path == 1", "Exception"),
    "whether something is traced": "def test():\n" + TRY.format("x = torch.compiler.is_compiling()", "Exception"),
    "an item of a table": with_class("    def __getitem__(self, i):\n        return self.rows[i]", "x = data[0]"),
    "a plain property": with_class("    @property\n    def size(self):\n        return len(self.rows)", "x = data.size"),
    "a property of another name": with_class(f"    @property\n{trains('def loss(self):')}", "x = data.width"),
    "errors of files": with_class(trains("def read(self):"), "x = open(path).readlines()", "OSError"),
    "settings": "import json, os\ndef test(path):\n" + TRY.format("c = json.load(open(os.path.join(path, 'c')))", "Exception"),
    "errors that torch does not raise for a write": "import json\nclass Stop(Exception):\n    pass\ndef test():\n"
    + TRY.format("main()", "(ValueError, TypeError, Stop, StopIteration, json.JSONDecodeError)"),
    "errors of a library": "from queue import Empty\ndef test():\n" + TRY.format("main()", "Empty"),
    "other errors suppressed": "import contextlib\nfrom contextlib import suppress\ndef test():\n"
    "    with contextlib.suppress(FileNotFoundError):\n        main()\n    with suppress(KeyError, ValueError):\n"
    "        main()",
    "a state that does not fit": "def test(net, path):\n" + TRY.format("net.load_state_dict(torch.load(path))", "RuntimeError"),
    "a helper that reads files": "import hashlib\nfrom urllib.request import urlopen\ndef digest(path):\n"
    "    return hashlib.sha256(open(path, 'rb').read()).hexdigest()\ndef fetch(url, times):\n    for n in range(times + 1):\n"
    "        found = urlopen(url).read()\n        return digest(found) or fetch(url, n - 1)\ndef test(url):\n"
    + TRY.format("fetch(url, 3)", "Exception"),
    "files that are closed": "def test(path):\n    file = open(path)\n    try:\n        main()\n    except ValueError:\n        pass\n"
    "    finally:\n        file.close()\n",
    "what torch computes anew": "def test(data):\n" + TRY.format("x = torch.stack(data).reshape(-1).mean()", "RuntimeError"),
    "a parameter that does not fit": "def test(net, p):\n    own = net.state_dict()\n" + TRY.format("own['a'].copy_(p)", "Exception"),
    "weights that are laid together": "def test(net):\n" + TRY.format("net.rnn.flatten_parameters()", "Exception"),
    "an error that is raised again": "def test(log):\n    try:\n        main()\n    except BaseException:\n        log.warning('no')\n        raise\n",
    "an error that only becomes another": "def test():\n    try:\n        main()\n    except RuntimeError as e:\n        raise ValueError('no') from e\n"
    "    try:\n        main()\n    except KeyError:\n        pass\n",
    "an error in both ways": "def test(last):\n    try:\n        main()\n    except Exception as e:\n        if last:\n            raise\n        else:\n            raise e\n",
    "memory that ran out": RAN_OUT,
    "memory that did not run out": "def test():\n    try:\n        main()\n    except RuntimeError as e:\n        if 'out of memory' not in str(e):\n"
    "            raise\n        print('smaller')\n",
    "memory that ran out, in lower case": RAN_OUT.replace("str(e)", "str(e).lower()"),
    "memory that ran out, by the error's arguments": RAN_OUT.replace("str(e)", "e.args[0]"),
    "an error of the file's own": "class Gone(Exception):\n    pass\n" + TURNED.format("Gone", ""),
    "an error of the system alone": TURNED.format("OSError", ""),
    "memory that ran out, by its class": "import torch\ndef test():\n" + TRY.format("main()", "torch.cuda.OutOfMemoryError"),
    "errors of a process": "import subprocess\ndef test():\n" + TRY.format("main()", "(subprocess.CalledProcessError, FileNotFoundError)"),
    "a number in a text": "def test(text):\n" + TRY.format("n = int(text.split()[0])", "ValueError"),
}  # fmt: skip


@pytest.mark.parametrize("more", SEEN.values(), ids=SEEN.keys())
def test_whoever_may_end_the_error_leaves_it_to_a_run(more: str) -> None:
    assert not any(fix.safe for fix in fixes(f"{CODE}\n{more}\n{BOTH}"))


@pytest.mark.parametrize("more", UNSEEN.values(), ids=UNSEEN.keys())
def test_errors_of_other_things_leave_it_safe(more: str) -> None:
    found = fixes(f"{CODE}\n{more}\n{BOTH}")
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]
