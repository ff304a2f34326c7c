#include "src/app/identity.hpp"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <unistd.h>

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
