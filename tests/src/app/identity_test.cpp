#include "src/app/identity.hpp"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <unistd.h>

#include "src/transport/crypto.hpp"

using namespace eddy;
using namespace eddy::app;

namespace {

struct Home {
    std::filesystem::path folder;
    NodeConfig config;
    Home() {
        std::string name = (std::filesystem::path(EDDY_BINARY_DIR) / "identity-XXXXXX").string();
        folder = mkdtemp(name.data());
        config.name = "a";
        config.cluster = "test";
        config.data_dir = (folder / "state").string();
    }
    ~Home() { std::filesystem::remove_all(folder); }
};

}  // namespace

TEST_CASE("a node keeps its id across restarts, and its incarnation rises with each") {
    Home home;
    const auto first = take_identity(home.config);
    REQUIRE(first);
    CHECK(first->incarnation == Incarnation{1});
    const auto second = take_identity(home.config);
    REQUIRE(second);
    CHECK(second->id == first->id);
    CHECK(second->incarnation == Incarnation{2});
}

TEST_CASE("names and clusters give different ids; a configured id wins over all") {
    Home home;
    Home other;
    other.config.name = "b";
    const auto a = take_identity(home.config);
    const auto b = take_identity(other.config);
    REQUIRE(a);
    REQUIRE(b);
    CHECK(a->id != b->id);
    home.config.id = NodeId{};
    const auto chosen = take_identity(home.config);
    REQUIRE(chosen);
    CHECK(chosen->id == NodeId{});
    CHECK(chosen->incarnation == Incarnation{2});
}

TEST_CASE("a renamed node that keeps its folder stays the same node") {
    Home home;
    const auto before = take_identity(home.config);
    home.config.name = "renamed";
    const auto after = take_identity(home.config);
    REQUIRE(before);
    REQUIRE(after);
    CHECK(after->id == before->id);
}

TEST_CASE("a zone places a new node, and moves one that was stored elsewhere, which is logged once") {
    Home home;
    std::vector<std::string> lines;
    const LogFn log = [&](LogLevel, const std::string& line) { lines.push_back(line); };
    const auto start = [&] {
        const auto expected = expected_id(home.config);
        const auto identity = take_identity(home.config, log);
        REQUIRE(identity);
        REQUIRE(expected);
        CHECK(*expected == identity->id);
        return *identity;
    };
    const Identity plain = start();
    home.config.zone = "house/2/kitchen";
    const Identity placed = start();
    CHECK(placed.id == transport::node_id_of("test", "a", "house/2/kitchen"));
    CHECK(placed.incarnation == Incarnation{2});
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].find(to_string(plain.id)) != std::string::npos);
    CHECK(lines[0].find(to_string(placed.id)) != std::string::npos);
    CHECK(lines[0].find("zone \"house/2/kitchen\"") != std::string::npos);
    // The same zone, a wider one, none at all: the id lies in it.
    for (const char* zone : {"house/2/kitchen", "house/2", "house", ""}) {
        home.config.zone = zone;
        CHECK(start().id == placed.id);
    }
    CHECK(lines.size() == 1);
    home.config.zone = "house/1";
    const Identity moved = start();
    CHECK(moved.id == transport::node_id_of("test", "a", "house/1"));
    CHECK(moved.incarnation == Incarnation{7});
    CHECK(lines.size() == 2);
}

TEST_CASE("a configured id wins over the zone; once it is taken out, it stays unless the zone forbids it") {
    Home home;
    std::vector<std::string> lines;
    const LogFn log = [&](LogLevel, const std::string& line) { lines.push_back(line); };
    home.config.zone = "house";
    REQUIRE(take_identity(home.config, log));
    NodeId chosen;
    chosen.bytes.fill(0x55);
    home.config.id = chosen;
    CHECK(*expected_id(home.config) == chosen);
    CHECK(take_identity(home.config, log)->id == chosen);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].find("[node] id is set") != std::string::npos);
    home.config.id.reset();
    home.config.zone.clear();
    CHECK(take_identity(home.config, log)->id == chosen);
    CHECK(lines.size() == 1);
    home.config.zone = "house";
    CHECK(take_identity(home.config, log)->id == transport::node_id_of("test", "a", "house"));
    CHECK(lines.size() == 2);
}

TEST_CASE("the id to expect is told without a file being written") {
    Home home;
    home.config.zone = "house";
    CHECK(*expected_id(home.config) == transport::node_id_of("test", "a", "house"));
    CHECK_FALSE(std::filesystem::exists(home.config.data_dir));
}

TEST_CASE("a file that is no identity is not overwritten but named") {
    Home home;
    REQUIRE(take_identity(home.config));
    const auto path = std::filesystem::path(home.config.data_dir) / "identity";
    for (const std::string text : {"", "garbage", "0000000000000000000000000000000000000000 x\n",
                                   "0000000000000000000000000000000000000000 99999999999999999999999\n",
                                   "0000000000000000000000000000000000000000 7"}) {
        CAPTURE(text);
        std::ofstream(path, std::ios::trunc) << text;
        const auto identity = take_identity(home.config);
        REQUIRE_FALSE(identity);
        CHECK(identity.error().code == ErrorCode::invalid);
        CHECK(identity.error().message.find(path.string()) != std::string::npos);
    }
}

TEST_CASE("a folder that cannot be made is named with the reason") {
    Home home;
    std::ofstream(home.folder / "file") << "in the way";
    home.config.data_dir = (home.folder / "file" / "state").string();
    const auto identity = take_identity(home.config);
    REQUIRE_FALSE(identity);
    CHECK(identity.error().message.find("data_dir") != std::string::npos);
}
