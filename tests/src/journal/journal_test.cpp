// Goal: the file says what was appended, whenever the process ends; what is wrong with it is told, and stops nobody.
// Method: "killed" is what a file holds while its writer still has it, copied to another folder.
#include "src/journal/journal.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/src/journal/stories.hpp"

using namespace eddy;
using namespace eddy::journal;

namespace {

const StreamId first{0};

class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::path(EDDY_BINARY_DIR) / "journal-XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~Folder() { std::filesystem::remove_all(path); }
    [[nodiscard]] std::string file() const { return (path / "journal").string(); }
    [[nodiscard]] std::string read() const {
        std::ifstream in(file(), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void write(const std::string& bytes) const { std::ofstream(file(), std::ios::binary) << bytes; }

    Options options(uint64_t life, std::vector<std::string> names = {"front"}) {
        Options made;
        made.path = file();
        made.names = std::move(names);
        made.life = Incarnation{life};
        made.log = [this](LogLevel, const std::string& line) { lines.push_back(line); };
        return made;
    }
    std::unique_ptr<Journal> open(uint64_t life, std::vector<std::string> names = {"front"}) {
        auto journal = Journal::open(options(life, std::move(names)));
        REQUIRE_MESSAGE(journal.ok(), journal.error().message);
        return std::move(*journal);
    }
    [[nodiscard]] bool said(const std::string& words) const {
        for (const auto& line : lines)
            if (line.find(words) != std::string::npos) return true;
        return false;
    }

    std::filesystem::path path;
    std::vector<std::string> lines;
};

void work(Journal& journal, uint64_t from, uint64_t count) {
    journal.append(Reserved{first, from + count + 100});
    for (uint64_t k = from; k < from + count; ++k) {
        journal.append(Captured{first, k});
        journal.append(Admitted{first, k});
        journal.append(Settled{first, k, FrameState::completed});
    }
}

/// While it lives, nothing this process writes goes beyond so many bytes of a file.
class DiskFull {
public:
    explicit DiskFull(uint64_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit now{bytes, before_.rlim_max};
        handler_ = ::signal(SIGXFSZ, SIG_IGN);
        ::setrlimit(RLIMIT_FSIZE, &now);
    }
    ~DiskFull() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        ::signal(SIGXFSZ, handler_);
    }

private:
    rlimit before_{};
    void (*handler_)(int) = nullptr;
};

}  // namespace

TEST_CASE("a life that is killed leaves all it appended to the next") {
    Folder folder;
    auto journal = folder.open(1);
    CHECK(journal->found().empty());
    work(*journal, 0, 5);
    journal->append(Captured{first, 5});
    journal->append(Captured{first, 6});
    journal->append(Admitted{first, 5});
    Folder after;
    after.write(folder.read());
    auto next = after.open(2);
    CHECK(after.lines.empty());
    REQUIRE(next->found().size() == 1);
    CHECK(next->found()[0].settled == Totals{5, 5, 5, 0, 0});
    REQUIRE(next->books().streams().size() == 1);
    const auto& stream = next->books().streams()[0];
    CHECK(stream.next == numbers_block);
    CHECK(stream.below == 2 * numbers_block);  // reserved already, whatever becomes of what this life appends
    REQUIRE(stream.open.size() == 2);
    CHECK(stream.open.at(5) == Unfinished{5, Incarnation{1}, true});
    CHECK(stream.open.at(6) == Unfinished{6, Incarnation{1}, false});
    // Killed before it could settle them: the third life finds them as frames of the first.
    Folder later;
    later.write(after.read());
    CHECK(later.open(3)->books().streams()[0].open.at(5) == Unfinished{5, Incarnation{1}, true});
    // Settled: nothing is left of them but the sums.
    next->append(Settled{first, 5, FrameState::failed});
    next->append(Settled{first, 6, FrameState::failed});
    later.write(after.read());
    const auto third = later.open(3);
    CHECK(third->books().streams()[0].open.empty());
    CHECK(third->books().streams()[0].settled == Totals{7, 6, 5, 2, 0});
}

TEST_CASE("an orderly end gives back the numbers that were not used") {
    Folder folder;
    auto journal = folder.open(1);
    work(*journal, 0, 5);
    journal->end();
    journal.reset();
    CHECK(folder.open(2)->books().streams()[0].next == 5);
}

TEST_CASE("a torn end is cut off and told, and numbers that it may have reserved are not used") {
    Folder folder;
    auto journal = folder.open(1);
    work(*journal, 0, 5);
    journal.reset();
    const std::string whole = folder.read();
    folder.write(whole.substr(0, whole.size() - 3));
    journal = folder.open(2);
    CHECK(folder.said("its last record is torn; its last 15 bytes are cut off"));
    CHECK(journal->books().streams()[0].settled.completed == 4);
    CHECK(journal->books().streams()[0].open.size() == 1);
    CHECK(journal->books().streams()[0].next == 3 * numbers_block);
    work(*journal, 5000, 1);
    journal.reset();
    folder.lines.clear();
    CHECK(folder.open(3)->books().streams()[0].settled.completed == 5);  // what follows the cut is whole again
    CHECK(folder.lines.empty());
}

TEST_CASE("a file that is no journal is kept aside, and a new one is begun") {
    Folder folder;
    folder.write("EDDYJNL9 of times to come");
    auto journal = folder.open(1);
    CHECK(folder.said("is not used: it does not begin as a journal of this version"));
    CHECK(journal->found().empty());
    std::ifstream aside(folder.file() + ".unreadable");
    CHECK(std::string(std::istreambuf_iterator<char>(aside), {}) == "EDDYJNL9 of times to come");
    work(*journal, 0, 1);
    journal.reset();
    CHECK(folder.open(2)->found().at(0).settled.completed == 1);
}

TEST_CASE("an empty file is a journal that was never begun") {
    Folder folder;
    folder.write("");
    folder.open(1);
    CHECK(folder.lines.empty());
    CHECK_FALSE(std::filesystem::exists(folder.file() + ".unreadable"));
}

TEST_CASE("entries that contradict others are told and left out") {
    Folder folder;
    folder.write(bytes_of({front, Life{Incarnation{1}}, Captured{first, 0}, Captured{first, 0}, Settled{first, 9}}));
    const auto journal = folder.open(2);
    CHECK(folder.said("2 entries contradict others"));
    CHECK(journal->books().streams()[0].open.size() == 1);
    journal->append(Settled{first, 77});
    journal->append(Settled{first, 77});
    CHECK(folder.lines.size() == 2);
}

TEST_CASE("a journal that has grown is replaced by a short one that says the same") {
    Folder folder;
    auto options = folder.options(1);
    options.compact_bytes = 4096;
    auto journal = *Journal::open(options);
    uint64_t most = 0;
    for (uint64_t k = 0; k < 1000; ++k) {
        work(*journal, k, 1);
        most = std::max(most, journal->bytes());
        CHECK(journal->bytes() == std::filesystem::file_size(folder.file()));
    }
    CHECK(most <= 4096);
    Folder after;
    after.write(folder.read());
    const auto next = after.open(2);
    CHECK(next->found()[0].settled == Totals{1000, 1000, 1000, 0, 0});
    CHECK(next->found()[0].below == 1100);
}

TEST_CASE("a journal that cannot be short is not replaced at each entry") {
    Folder folder;
    auto options = folder.options(1);
    options.compact_bytes = 256;
    auto journal = *Journal::open(options);
    ino_t last = 0;
    uint64_t files = 0;
    for (uint64_t k = 0; k < 1000; ++k) {
        journal->append(Captured{first, k});
        struct stat file {};
        REQUIRE(::stat(folder.file().c_str(), &file) == 0);
        files += file.st_ino != last ? 1 : 0;
        last = file.st_ino;
    }
    CHECK(files < 20);  // each frame is open: the short version is as long, so it has to double first
    CHECK(journal->books().streams()[0].open.size() == 1000);
    journal.reset();
    CHECK(folder.open(2)->books().streams()[0].open.size() == 1000);
}

TEST_CASE("a process that was killed while it replaced the file leaves the old one, and what it left is no harm") {
    Folder folder;
    auto journal = folder.open(1);
    work(*journal, 0, 3);
    journal.reset();
    std::ofstream(folder.file() + ".new") << std::string(5000, 'x');
    journal = folder.open(2);
    CHECK(journal->found().at(0).settled.completed == 3);
    work(*journal, 500, 1);
    journal.reset();
    folder.open(3);
    CHECK(folder.lines.empty());
}

TEST_CASE("a full disk is told once; when there is room again, the journal says all that happened meanwhile") {
    Folder folder;
    auto journal = folder.open(1);
    work(*journal, 0, 2);
    {
        const DiskFull full(journal->bytes() + 30);
        work(*journal, 2, 20);
        CHECK(journal->problem().find("File too large") != std::string::npos);
        CHECK(folder.lines.size() == 1);
        CHECK(folder.said("the node goes on without"));
        CHECK_FALSE(journal->unsynced().has_value());
        const DiskFull fuller(20);
        journal->retry();
        CHECK(folder.lines.size() == 1);
    }
    Folder killed;
    killed.write(folder.read());
    CHECK(killed.open(2)->found()[0].settled.completed == 2);
    journal->retry();
    CHECK(journal->problem().empty());
    CHECK(folder.said("is written again"));
    work(*journal, 22, 1);
    journal.reset();
    CHECK(folder.open(2)->found()[0].settled == Totals{23, 23, 23, 0, 0});
}

TEST_CASE("a folder that is not there, or has a journal of another process, is an error that names it") {
    Folder folder;
    auto options = folder.options(1);
    options.path = (folder.path / "nowhere" / "journal").string();
    auto refused = Journal::open(options);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().message.find("cannot open " + (folder.path / "nowhere").string()) == 0);
    const auto journal = folder.open(1);
    refused = Journal::open(folder.options(2));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::unavailable);
    CHECK(refused.error().message.find("another process has it?") != std::string::npos);
}

TEST_CASE("what is not a file is an error, and nothing is written") {
    Folder folder;
    std::filesystem::create_directory(folder.file());
    const auto refused = Journal::open(folder.options(1));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().message.find("cannot read " + folder.file()) == 0);
}

TEST_CASE("a descriptor to sync is given out once after the file has grown") {
    Folder folder;
    auto journal = folder.open(1);
    CHECK_FALSE(journal->unsynced().has_value());  // the beginning was synced
    work(*journal, 0, 1);
    const auto fd = journal->unsynced();
    REQUIRE(fd.has_value());
    CHECK(::fdatasync(*fd) == 0);
    ::close(*fd);
    CHECK_FALSE(journal->unsynced().has_value());
}
