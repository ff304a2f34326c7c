"""The house rules as data: rooms, who may enter which, whose library is whose, what may not be named, how long is
long. design.md calls the table "The rooms"; ARCHITECTURE.md shows it to people. Changing a rule means changing it here.
"""

# A room and the rooms whose headers it may include, besides itself and include/.
PURE_BELOW_NODE = ["ring", "scheduler", "planner", "models/graph"]
ROOMS = {
    "include": [],
    "ring": [],
    "scheduler": [],
    "models/graph": [],
    "models/postprocess": [],
    "planner": ["models/graph"],
    "src/node": PURE_BELOW_NODE,
    # Of src/journal only what is pure: eddy_sim links eddy_journal_books, which has no file. A simulated source that is
    # killed must come back by the same books as a real one.
    "sim": [*PURE_BELOW_NODE, "src/node", "src/config", "src/journal"],
    "src/transport": [],
    "src/camera": [],
    "src/metrics": [],
    "src/journal": [],
    "src/control": [],
    "src/config": [],
    "models/engine": ["models/graph"],
    "models/torch": ["models/graph", "models/engine"],
    "lab": ["src/config", "src/metrics", "src/control"],
}
EVERY_ROOM = [*ROOMS, "src/app", "src/cli"]
ROOMS["src/app"] = [room for room in EVERY_ROOM if room not in ("sim", "lab", "src/cli")]
ROOMS["src/cli"] = EVERY_ROOM
ROOMS["bench"] = EVERY_ROOM

# State machines: no clock, thread, network or library, only the standard library's containers and algorithms.
PURE = ["include", "ring", "scheduler", "planner", "models/graph", "models/postprocess", "src/node", "sim"]

# What starts a library's header, who may include it, and what others use instead. First match counts.
LIBRARIES = [
    (r"uv\.h|uv/", ["src/transport", "bench"], "src/transport is the only room that knows libuv"),
    (r"capnp/|kj/|.*\.capnp\.h", ["src/transport", "bench"], "the codec of src/transport; messages are plain structs of eddy/messages.hpp"),
    (r"openssl/evp\.h", ["src/transport", "models/torch"], "src/transport for connections, models/torch for hashes of models"),
    (r"openssl/", ["src/transport"], "src/transport authenticates"),
    (r"torch/|ATen/|c10/|caffe2/", ["models/torch", "bench"], "the interface of models/engine, or models/graph for the graph"),
    (r"libav\w+/|libsw\w+/", ["src/camera"], "src/camera's frames are eddy::HostTensor"),
    (r"toml\+\+/|toml\.hpp", ["src/config"], "src/config reads TOML"),
    (r"nlohmann/", ["src/metrics", "src/control", "src/app", "src/cli", "models/engine", "models/torch", "lab", "bench"], "an adapter turns JSON into plain structs"),
    (r"CLI/", ["src/cli", "bench"], "src/cli reads command lines"),
    (r"spdlog/", ["src/app", "src/cli"], "the port eddy/log.hpp"),
    (r"concurrentqueue/", ["src/app"], "threads meet only in src/app"),
    (r"coin/", ["planner"], "the planner keeps its LP solver behind one file"),
    (r"benchmark/", ["bench"], "bench/"),
    (r"doctest|rapidcheck", [], "tests/"),
]

# Code that may not be written, where it may after all (prefixes of paths), and what to write instead.
BANNED = [
    (r"\b\w*_clock::now\b", ["include/eddy/real_clock.hpp"], "eddy::real_now() of eddy/real_clock.hpp in adapters; pure rooms are told the time"),
    (r"\bgettimeofday\s*\(|\bstd::time\s*\(|(?<![\w:.>])time\s*\(\s*(?:NULL|nullptr|0)\s*\)", [], "eddy::real_now() of eddy/real_clock.hpp"),
    (r"\brandom_device\b", [], "a seed from the caller and eddy/random.hpp; nonces come from src/transport"),
    (r"(?<![\w.>])s?rand\s*\(", [], "a seeded generator of eddy/random.hpp"),
    (r"\bstd::(?:thread|jthread|async)\b", ["src/camera/", "src/app/", "tests/", "bench/"], "src/app owns the threads; cameras have their own"),
    (r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\b", ["src/camera/", "src/app/", "src/cli/", "bench/", "lab/"], "wait for what should happen: a condition, a poll() with a bound, or simulated time"),
]
# In pure rooms besides:
BANNED_IN_PURE = [
    (r"\bclock_gettime\b|\breal_now\b|\breal_clock\.hpp", ["include/eddy/real_clock.hpp"], "the `now` that the core is given"),
    (r"\bstd::(?:mutex|atomic|condition_variable|future|promise)\b", [], "nothing: a pure room belongs to one thread"),
    (r"\bgetenv\b|\bstd::(?:ifstream|ofstream|fstream|filesystem)\b", [], "an adapter that hands in what it read"),
]
UNFINISHED = r"\b(?:TODO|FIXME|XXX)\b"

HEADER_LINES_MAX = 200
SOURCE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

# Files that were too long when the rule came: path -> lines then. An entry may only shrink, and goes when the file does
# not need it any more.
LINES_RATCHET = {}
