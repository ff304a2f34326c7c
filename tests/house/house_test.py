#!/usr/bin/python3
"""Plants one violation at a time in an otherwise clean house and sees that it is found, at its line and with its
replacement; and plants what merely looks like one and sees that it is not."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
import house  # noqa: E402
import rooms  # noqa: E402


def findings(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            target = Path(root, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return house.House(root).check()


class Includes(unittest.TestCase):
    def assert_refused(self, path, line, *parts):
        found = findings({path: "#pragma once\n" + line + "\n"})
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{path}:2: "), found)
        for part in parts:
            self.assertIn(part, found[0])

    def assert_allowed(self, path, line):
        self.assertEqual(findings({path: line + "\n"}), [])

    def test_a_room_enters_only_those_the_table_allows(self):
        self.assert_refused("ring/a.cpp", '#include "scheduler/scheduler.hpp"', "ring includes", "include")
        self.assert_refused("scheduler/a.cpp", '#include "ring/ring.hpp"', "scheduler includes")
        self.assert_refused("src/metrics/a.cpp", '#include "src/control/status.hpp"', "src/metrics includes")
        self.assert_refused("models/postprocess/a.cpp", '#include "models/graph/graph.hpp"', "models/postprocess includes")
        self.assert_refused("models/torch/a.cpp", '#include "models/postprocess/nms.hpp"', "include, models/graph")
        self.assert_refused("src/app/a.cpp", '#include "sim/simulation.hpp"', "src/app includes")
        self.assert_refused("include/eddy/a.hpp", '#include "ring/ring.hpp"', "include includes")
        self.assert_allowed("ring/a.cpp", '#include "ring/ring.hpp"\n#include "eddy/ids.hpp"\n#include <vector>')
        self.assert_allowed("src/node/a.cpp", '#include "scheduler/scheduler.hpp"')
        self.assert_allowed("sim/a.cpp", '#include "src/node/node_core.hpp"\n#include "src/config/node_config.hpp"')
        self.assert_allowed("src/app/a.cpp", '#include "src/camera/source.hpp"')
        self.assert_allowed("src/cli/a.cpp", '#include "src/app/node_runtime.hpp"\n#include "sim/simulation.hpp"')

    def test_every_pair_of_rooms_is_as_the_table_says(self):
        for room, allowed in rooms.ROOMS.items():
            for other in rooms.ROOMS:
                path, name = f"{room}/a.cpp", f"{other}/b.hpp"
                expected = 0 if other in (room, "include") or other in allowed else 1
                self.assertEqual(len(findings({path: f'#include "{name}"\n'})), expected, f"{room} -> {other}")

    def test_no_two_rooms_include_each_other(self):
        for room, allowed in rooms.ROOMS.items():
            for other in allowed:
                self.assertTrue(other == room or room not in rooms.ROOMS[other], f"{room} <-> {other}")

    def test_a_library_stays_in_its_room(self):
        for path, name in {
            "src/app/a.cpp": "uv.h", "ring/a.cpp": "capnp/message.h", "src/control/a.cpp": "openssl/hmac.h",
            "src/camera/a.cpp": "torch/torch.h", "models/engine/a.cpp": "torch/script.h", "models/graph/a.cpp": "ATen/ATen.h", "src/cli/a.cpp": "toml++/toml.h",
            "src/transport/a.cpp": "nlohmann/json.hpp", "src/config/a.cpp": "CLI/CLI.hpp", "src/node/a.cpp": "spdlog/spdlog.h",
            "src/metrics/a.cpp": "libavcodec/avcodec.h", "src/camera/b.cpp": "concurrentqueue/concurrentqueue.h",
            "models/torch/a.cpp": "openssl/ssl.h", "src/cli/b.cpp": "doctest/doctest.h",
        }.items():
            self.assert_refused(path, f"#include <{name}>", f"<{name}>", "instead: ")
        self.assert_allowed("src/transport/a.cpp", '#include <uv.h>\n#include <openssl/hmac.h>\n#include "schema/eddy.capnp.h"')
        self.assert_allowed("models/torch/a.cpp", "#include <torch/script.h>\n#include <openssl/evp.h>")
        self.assert_allowed("src/config/a.cpp", "#include <toml++/toml.h>\n#include <fmt/format.h>")

    def test_a_pure_room_has_only_the_standard_library(self):
        self.assert_refused("scheduler/a.cpp", "#include <unistd.h>", "pure room scheduler")
        self.assert_refused("ring/a.cpp", "#  include <fmt/format.h>", "pure room ring")
        self.assert_refused("sim/a.cpp", '#include "eddy/real_clock.hpp"', "real_clock.hpp is banned")
        self.assert_allowed("src/camera/a.cpp", '#include "eddy/real_clock.hpp"\n#include <unistd.h>')

    def test_a_test_is_bound_like_its_room_but_may_drive_it_through_the_simulator(self):
        self.assert_refused("tests/src/metrics/a.cpp", '#include "src/control/status.hpp"', "src/metrics includes")
        self.assert_refused("tests/src/metrics/a.cpp", "#include <uv.h>", "<uv.h>")
        self.assert_allowed("tests/src/node/a.cpp", '#include "sim/simulation.hpp"\n#include <doctest/doctest.h>')
        self.assert_allowed("tests/src/metrics/a.cpp", "#include <nlohmann/json.hpp>\n#include <rapidcheck.h>")
        self.assert_allowed("tests/integration/a.cpp", '#include "src/app/node_runtime.hpp"')

    def test_paths_start_at_the_root_and_every_file_lies_in_a_room(self):
        self.assert_refused("ring/a.cpp", '#include "ids.hpp"', "not a path from the root")
        self.assert_refused("src/app/a.cpp", '#include "../camera/source.hpp"', "not a path from the root")
        self.assertIn("lies in no room", findings({"util/a.hpp": "int a;\n"})[0])

    def test_only_a_test_may_name_a_header_beside_it(self):
        self.assertEqual(findings({"tests/ring/a.cpp": '#include "b.hpp"\n', "tests/ring/b.hpp": "int b;\n"}), [])
        self.assertEqual(len(findings({"tests/ring/a.cpp": '#include "b.hpp"\n', "tests/b.hpp": "int b;\n"})), 1)
        self.assertEqual(len(findings({"ring/a.cpp": '#include "b.hpp"\n', "ring/b.hpp": "int b;\n"})), 1)


class Names(unittest.TestCase):
    def found(self, path, line):
        return findings({path: f"\n{line}\n"})

    def test_each_banned_name_is_found_and_its_replacement_given(self):
        for line, replacement in {
            "auto t = std::chrono::steady_clock::now();": "real_now()",
            "auto t = Clock::now(); auto u = my_clock::now();": "real_now()",
            "auto t = std::time(nullptr);": "real_now()",
            "std::random_device device;": "eddy/random.hpp",
            "int n = rand() % 6;": "eddy/random.hpp",
            "std::thread t;": "src/app owns the threads",
            "std::this_thread::sleep_for(1s);": "wait for what should happen",
        }.items():
            found = self.found("src/transport/a.cpp", line)
            self.assertEqual(len(found), 1, (line, found))
            self.assertTrue(found[0].startswith("src/transport/a.cpp:2: "), found)
            self.assertIn(replacement, found[0])

    def test_the_allow_list_and_what_only_looks_like_a_banned_name_pass(self):
        self.assertEqual(self.found("include/eddy/real_clock.hpp", "auto t = std::chrono::steady_clock::now();"), [])
        self.assertEqual(self.found("src/camera/a.cpp", "std::thread t;"), [])
        for line in (
            "// std::random_device would be wrong here", "/* rand() */", 'auto s = "steady_clock::now";', "operand(3);",
            "grand (4);", "std::this_thread::get_id();", 'auto r = R"(std::thread)";', "x.time(0);", "int now = state.rand(2);",
            "const char c = '\"'; // rand()",
        ):
            self.assertEqual(self.found("src/transport/a.cpp", line), [], line)

    def test_a_pure_room_has_neither_locks_nor_files_nor_a_clock(self):
        for line in ("std::mutex m;", "std::ifstream in(path);", "auto t = real_now();", "getenv(x);", "clock_gettime(c, &t);"):
            self.assertEqual(len(self.found("scheduler/a.cpp", line)), 1, line)
            self.assertEqual(self.found("src/control/a.cpp", line), [], line)

    def test_unfinished_work_is_found_in_comments_too(self):
        self.assertIn("finish it", self.found("ring/a.cpp", "// TO" + "DO later")[0])

    def test_sleeping_in_a_test_is_found(self):
        self.assertEqual(len(self.found("tests/src/camera/a.cpp", "std::this_thread::sleep_for(1ms);")), 1)


class Lengths(unittest.TestCase):
    @staticmethod
    def body(lines):
        return "\n".join(["    step();"] * (lines - 2))

    def test_a_long_function_is_found_wherever_it_stands(self):
        for opening, closing in (
            ("int f(int a) {", "}"), ("namespace a {\nclass B {\n    void f() const {", "}\n};\n}"),
            ("B::B(int a) : a_{a}, b_(2) {", "}"), ("template <class T>\nauto f(T t) -> int {", "}"),
            ("struct S f() noexcept {", "}"), ('TEST_CASE("a { in a name") {', "}"),
        ):
            for lines, expected in ((70, 0), (71, 1)):
                text = f"{opening}\n{self.body(lines)}\n{closing}\n"
                found = findings({"ring/a.cpp": text})
                self.assertEqual(len(found), expected, (opening, lines, found))

    def test_long_data_types_and_namespaces_are_no_functions(self):
        for opening, closing in (
            ("const int table[] = {", "};"), ("namespace a {", "}"), ("class A : public B<int(int)> {", "};"),
            ("enum class E {", "};"), ("const std::vector<Example> table{", "};"),
        ):
            self.assertEqual(findings({"ring/a.cpp": f"{opening}\n{self.body(100)}\n{closing}\n"}), [], opening)

    def test_braces_in_text_comments_and_macros_do_not_count(self):
        text = "void f() {\n    auto s = \"}\"; auto c = '}'; // }\n" + self.body(80) + "\n}\n"
        self.assertEqual(len(findings({"ring/a.cpp": text})), 1)
        text = "#define OPEN \\\n    {\nvoid f() {\n    step();\n}\n" + "int a;\n" * 90
        self.assertEqual(findings({"ring/a.cpp": text}), [])

    def test_long_files_are_found_headers_earlier(self):
        self.assertEqual(findings({"ring/a.hpp": "int a;\n" * 200, "ring/a.cpp": "int a;\n" * 500}), [])
        self.assertIn("201 lines", findings({"ring/a.hpp": "int a;\n" * 201})[0])
        self.assertIn("501 lines", findings({"ring/a.cpp": "int a;\n" * 501})[0])

    def test_a_ratchet_only_tightens(self):
        rooms.LINES_RATCHET["ring/a.cpp"] = 510
        try:
            self.assertEqual(findings({"ring/a.cpp": "int a;\n" * 510}), [])
            self.assertIn("at most 510", findings({"ring/a.cpp": "int a;\n" * 511})[0])
            self.assertIn("shrunk to 505", findings({"ring/a.cpp": "int a;\n" * 505})[0])
            self.assertIn("take it out", findings({"ring/a.cpp": "int a;\n" * 500})[0])
            self.assertIn("is gone", findings({"ring/b.cpp": "int a;\n"})[0])
        finally:
            rooms.LINES_RATCHET.clear()


if __name__ == "__main__":
    unittest.main()
