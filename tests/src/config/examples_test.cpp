// Goal: the examples in configs/ work as they stand once setup has been run.
// Method: each is copied, unchanged, into a folder laid out like the repository in which the files it needs are made
// one by one; so the test also knows exactly which files an example needs, and that it says so while they are missing.
#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include <doctest/doctest.h>

#include "src/config/node_config.hpp"
#include "tests/src/config/scratch.hpp"

using namespace eddy;
namespace fs = std::filesystem;

namespace {

const fs::path examples = fs::path(EDDY_SOURCE_DIR) / "configs";

struct Example {
    std::string name;
    std::vector<std::string> needs;  ///< from the repository's root, in the order of the complaints
};

const std::vector<Example> table = {
    {"one-device.toml", {"build/models/ssdlite_mobilenet_v2_coco.pt", "build/media/vtest.avi"}},
    {"rtsp-camera.toml", {"build/models/ssdlite_mobilenet_v2_coco.pt"}},
    {"three-devices/a.toml", {"configs/three-devices/cluster.key", "build/models/ssdlite_mobilenet_v2_coco.pt"}},
    {"three-devices/b.toml", {"configs/three-devices/cluster.key", "build/models/ssdlite_mobilenet_v2_coco.pt"}},
    {"three-devices/c.toml", {"configs/three-devices/cluster.key", "build/models/ssdlite_mobilenet_v2_coco.pt"}},
};

fs::path copied(const test::Scratch& scratch, const Example& example) {
    std::ostringstream text;
    text << std::ifstream(examples / example.name).rdbuf();
    return scratch.write("configs/" + example.name, text.str());
}

NodeConfig loaded(const Example& example) {
    const test::Scratch scratch;
    const fs::path file = copied(scratch, example);
    for (const auto& need : example.needs) scratch.write(need, "0123456789abcdef0123456789abcdef\n");
    auto config = config::load_node_config(file);
    INFO((config.ok() ? std::string() : config.error().message));
    REQUIRE(config.ok());
    return *config;
}

}  // namespace

TEST_CASE("every node's file in configs is in this test's table") {
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(examples))
        if (entry.path().extension() == ".toml" && entry.path().parent_path().filename() != "experiments")
            found.insert(fs::relative(entry.path(), examples).string());
    std::set<std::string> listed;
    for (const Example& example : table) listed.insert(example.name);
    CHECK(found == listed);
}

TEST_CASE("each example loads once its files are there, and names each one that is missing") {
    for (const Example& example : table) {
        INFO(example.name);
        const test::Scratch scratch;
        const fs::path file = copied(scratch, example);
        for (const auto& need : example.needs) {
            const auto before = config::load_node_config(file);
            REQUIRE_FALSE(before.ok());
            CHECK(before.error().message.find((scratch.folder() / need).string() + "\", which does not exist") !=
                  std::string::npos);
            scratch.write(need, "0123456789abcdef0123456789abcdef\n");
        }
        const auto after = config::load_node_config(file);
        CHECK_MESSAGE(after.ok(), (after.ok() ? "" : after.error().message));
    }
}

TEST_CASE("the three devices are of one cluster, with one key and model, and can dial each other") {
    std::vector<NodeConfig> nodes;
    for (const char* name : {"three-devices/a.toml", "three-devices/b.toml", "three-devices/c.toml"})
        nodes.push_back(
            loaded(*std::find_if(table.begin(), table.end(), [&](const auto& e) { return e.name == name; })));
    std::set<std::string> names;
    for (const NodeConfig& node : nodes) {
        names.insert(node.name);
        CHECK(node.cluster == nodes[0].cluster);
        CHECK(node.cluster_key == nodes[0].cluster_key);
        CHECK(fs::path(node.model_path).filename() == fs::path(nodes[0].model_path).filename());
        CHECK(node.policy == PolicyKind::layered);
        // What others dial is among everybody's seeds.
        const Endpoint address = node.advertise.value_or(node.listen);
        for (const NodeConfig& other : nodes) CHECK(std::count(other.seeds.begin(), other.seeds.end(), address) == 1);
    }
    CHECK(names.size() == 3);
    CHECK(nodes[0].sources.size() + nodes[1].sources.size() == 2);
    CHECK(nodes[2].sources.empty());
}

TEST_CASE("the camera examples keep the newest frames, and the film waits") {
    CHECK(loaded(table[0]).sources.at(0).when_full == WhenFull::block);
    CHECK(loaded(table[0]).policy == PolicyKind::local);
    CHECK(loaded(table[1]).sources.at(0).when_full == WhenFull::drop_oldest);
    CHECK(loaded(table[3]).sources.at(0).when_full == WhenFull::drop_oldest);
}
