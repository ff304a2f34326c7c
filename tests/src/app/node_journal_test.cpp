// Goal: a node's core gets from the journal what its earlier lives left, by the names of its sources.
#include "src/app/node_journal.hpp"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

using namespace eddy;
using namespace eddy::app;
using journal::Totals;
using journal::Unfinished;

namespace {

struct Home {
    std::filesystem::path folder;
    NodeConfig config;
    std::vector<std::pair<LogLevel, std::string>> lines;
    Home() {
        std::string name = (std::filesystem::path(EDDY_BINARY_DIR) / "node-journal-XXXXXX").string();
        folder = ::mkdtemp(name.data());
        config.data_dir = folder.string();
    }
    ~Home() { std::filesystem::remove_all(folder); }
    std::unique_ptr<NodeJournal> life(uint64_t incarnation, const std::vector<std::string>& names) {
        config.sources.clear();
        for (const auto& name : names) config.sources.emplace_back().name = name;
        lines.clear();
        return std::make_unique<NodeJournal>(
            config, Incarnation{incarnation},
            [this](LogLevel level, const std::string& line) { lines.emplace_back(level, line); });
    }
};

/// Frame 0 completed, 1 admitted, 2 waiting.
void begin(NodeJournal& journal, StreamId stream) {
    journal.append(journal::Reserved{stream, 1024});
    for (uint64_t k = 0; k < 3; ++k) journal.append(journal::Captured{stream, k});
    for (uint64_t k = 0; k < 2; ++k) journal.append(journal::Admitted{stream, k});
    journal.append(journal::Settled{stream, 0, FrameState::completed});
}

const std::vector<Unfinished> left{{1, Incarnation{1}, true}, {2, Incarnation{1}, false}};

}  // namespace

TEST_CASE("the core's streams begin behind the numbers of earlier lives, with the frames these left unfinished") {
    Home home;
    auto first = home.life(1, {"front", "yard"});
    CHECK(home.lines.empty());
    begin(*first, StreamId{1});
    first.reset();
    const auto second = home.life(2, {"yard", "front"});  // the file was edited
    REQUIRE(home.lines.size() == 1);
    CHECK(home.lines[0].first == LogLevel::warning);
    CHECK(home.lines[0].second ==
          "journal: earlier lives settled 1 frames; numbers go on (yard at 1024, front at 1024); unfinished, and failed "
          "now: 2 of yard");
    std::vector<node::StreamConfig> streams(2);
    second->fill(streams);
    CHECK(streams[0].first_number == 1024);
    CHECK((streams[0].unfinished == left));
    CHECK(streams[1].first_number == 1024);  // a life that was killed may have used any number of its first block
    CHECK(streams[1].unfinished.empty());
    CHECK(second->earlier(0) == Totals{1, 1, 1, 0, 0});
    CHECK(second->earlier(1) == Totals{});
    CHECK_FALSE(second->earlier(2).has_value());
    CHECK(second->retired().empty());
    CHECK(second->problem().empty());
    // What this life settles is not an earlier one's.
    second->append(journal::Settled{StreamId{0}, 1, FrameState::failed});
    CHECK(second->earlier(0) == Totals{1, 1, 1, 0, 0});
}

TEST_CASE("a source that is not configured any more is told with the frames it left, once") {
    Home home;
    begin(*home.life(1, {"front"}), StreamId{0});
    auto second = home.life(2, {"yard"});
    REQUIRE(second->retired().size() == 1);
    CHECK(second->retired()[0].name == "front");
    CHECK((second->retired()[0].unfinished == left));
    CHECK(second->retired()[0].earlier == Totals{1, 1, 1, 0, 0});
    CHECK(home.lines.at(0).second.find("2 of front, which is not configured any more") != std::string::npos);
    second.reset();
    CHECK(home.life(3, {"yard"})->retired().empty());
    const auto fourth = home.life(4, {"front"});
    CHECK(home.lines.at(0).first == LogLevel::info);
    CHECK(home.lines.at(0).second.find("none was left unfinished") != std::string::npos);
    CHECK(fourth->earlier(0) == Totals{3, 2, 1, 2, 0});
}

TEST_CASE("an orderly end leaves no hole in the numbers") {
    Home home;
    auto first = home.life(1, {"front"});
    begin(*first, StreamId{0});
    for (uint64_t k = 1; k < 3; ++k) first->append(journal::Settled{StreamId{0}, k, FrameState::failed});
    first->end();
    first.reset();
    std::vector<node::StreamConfig> streams(1);
    home.life(2, {"front"})->fill(streams);
    CHECK(streams[0].first_number == 3);
}

TEST_CASE("a node without cameras keeps no journal, but what it had as a source is not lost") {
    Home home;
    CHECK(home.life(1, {})->problem().empty());
    CHECK_FALSE(std::filesystem::exists(home.folder / "journal"));
    begin(*home.life(2, {"front"}), StreamId{0});
    CHECK(home.life(3, {})->retired().size() == 1);
    CHECK(home.life(4, {"front"})->earlier(0) == Totals{3, 2, 1, 2, 0});
}

TEST_CASE("a journal that cannot be opened is told, and the node goes on") {
    Home home;
    std::filesystem::create_directory(home.folder / "journal");
    const auto journal = home.life(1, {"front"});
    CHECK(journal->problem().find("cannot read") == 0);
    REQUIRE(home.lines.size() == 1);
    CHECK(home.lines[0].first == LogLevel::error);
    begin(*journal, StreamId{0});
    journal->each_second();
    journal->end();
    CHECK_FALSE(journal->earlier(0).has_value());
    std::vector<node::StreamConfig> streams(1);
    journal->fill(streams);
    CHECK(streams[0].first_number == 0);
}

TEST_CASE("a syncer closes every descriptor it was given") {
    Home home;
    const std::string path = (home.folder / "file").string();
    std::vector<int> given;
    {
        Syncer syncer;
        for (int i = 0; i < 100; ++i) {
            given.push_back(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
            REQUIRE(given.back() >= 0);
            syncer.sync(given.back());
        }
    }
    for (const int fd : given) CHECK(::fcntl(fd, F_GETFD) == -1);
}
