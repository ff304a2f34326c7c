// Goal: what a node found reaches the file line by line, and comes back from it; a full disk costs lines, not the node.
#include "src/metrics/results.hpp"

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <rapidcheck.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace eddy;
using namespace eddy::metrics;

namespace {

/// A file name that is nobody else's, gone at the end.
class TemporaryFile {
public:
    TemporaryFile() {
        const int fd = ::mkstemp(path_.data());
        REQUIRE(fd >= 0);
        ::close(fd);
    }
    ~TemporaryFile() { std::filesystem::remove(path_); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_ = (std::filesystem::temp_directory_path() / "eddy-results-XXXXXX").string();
};

Outcome seen() {
    Outcome outcome;
    outcome.completion = from_ms(123.5);
    outcome.hops = 2;
    outcome.inference.detections = {{1, 0.9F, 0.1F, 0.2F, 0.3F, 0.4F}, {99, 0.6F, 0, 0, 1, 1}};
    return outcome;
}

FrameId frame(uint64_t k) {
    FrameId id;
    id.k = k;
    id.incarnation = {4};
    return id;
}

/// An afternoon in November 2026, to the microsecond.
constexpr Usec afternoon{1'795'273'263'000'001};

ResultLine numbered(uint64_t k) { return make_result_line("front", frame(k), seen(), {"person", "car"}, afternoon); }

}  // namespace

TEST_CASE("a result line names what was found, in short numbers") {
    ResultLine line = numbered(7);
    line.position = 3;
    CHECK(
        to_json(line) ==
        R"({"source":"front","k":7,"incarnation":4,"position":3,"state":"completed","reason":"","completion_ms":123.5,)"
        R"("settled_unix_s":1795273263.000001,"hops":2,"local":false,)"
        R"("detections":[{"label":1,"name":"car","score":0.9,"box":[0.1,0.2,0.3,0.4]},)"
        R"({"label":99,"name":"","score":0.6,"box":[0.0,0.0,1.0,1.0]}],"classes":[]})");
}

TEST_CASE("a lost frame's line has its reason and no time") {
    Outcome outcome = seen();
    outcome.state = FrameState::dropped;
    outcome.reason = "deadline";
    const ResultLine line = make_result_line("front", frame(8), outcome, {}, afternoon);
    CHECK(line.settled_unix_s == 1795273263.000001);
    CHECK_FALSE(line.completion_ms.has_value());
    CHECK(line.detections.empty());
    CHECK(to_json(line).find(R"("state":"dropped","reason":"deadline","completion_ms":null)") != std::string::npos);
    CHECK(*parse_result_line(to_json(line)) == line);
}

TEST_CASE("a line's place in its life comes back, and may be missing") {
    ResultLine line = numbered(1030);
    CHECK(*parse_result_line(to_json(line)) == line);
    line.position = 6;
    CHECK(*parse_result_line(to_json(line)) == line);
    line.position.reset();
    std::string text = to_json(line);
    const std::string member = R"("position":null,)";
    CHECK(*parse_result_line(text.erase(text.find(member), member.size())) == line);
}

TEST_CASE("a class list comes back as it was") {
    Outcome outcome;
    outcome.local = true;
    outcome.inference.classes = {{1, 0.75F}, {0, 0.25F}};
    const ResultLine line = make_result_line("cat", frame(0), outcome, {"dog", "cat"}, afternoon);
    CHECK(line.classes.at(0).name == "cat");
    CHECK(*parse_result_line(to_json(line)) == line);
}

TEST_CASE("the instant of an outcome comes back to the microsecond, and may be missing") {
    CHECK(rc::check("instants of this century", [] {
        const Usec at{*rc::gen::inRange<int64_t>(0, 4'102'444'800'000'000)};
        const ResultLine line = make_result_line("front", frame(1), seen(), {}, at);
        const auto read = parse_result_line(to_json(line));
        RC_ASSERT(read.ok());
        RC_ASSERT(std::llround(*read->settled_unix_s * 1e6) == at.count());
    }));
    ResultLine line = numbered(2);
    line.settled_unix_s.reset();
    std::string text = to_json(line);
    CHECK(*parse_result_line(text) == line);
    const std::string member = R"("settled_unix_s":null,)";
    CHECK(*parse_result_line(text.erase(text.find(member), member.size())) == line);
}

TEST_CASE("what is no result line is refused with its place") {
    const auto message = [](const std::string& text) {
        const auto result = parse_result_line(text);
        return result.ok() ? std::string("accepted") : result.error().message;
    };
    std::string text = to_json(numbered(1));
    CHECK(message(text) == "accepted");
    CHECK(message("") == "result: not JSON");
    CHECK(message("[1]") == "result: allowed: an object");
    const auto altered = [&](const std::string& from, const std::string& to) {
        std::string copy = text;
        return message(copy.replace(copy.find(from), from.size(), to));
    };
    CHECK(altered("\"completed\"", "\"done\"") == "result.state: allowed: \"completed\", \"failed\" or \"dropped\"");
    CHECK(altered("[0.1,0.2,0.3,0.4]", "[0.1,0.2,0.3]") == "result.detections[0].box: allowed: four numbers");
    CHECK(altered("[0.1,0.2,0.3,0.4]", "[1,2,3,4,5]") == "result.detections[0].box: allowed: a list of at most 4");
    CHECK(altered("\"label\":1,", "\"label\":4294967296,") ==
          "result.detections[0].label: allowed: at most 4294967295");
    CHECK(altered("1795273263.000001", "\"today\"") == "result.settled_unix_s: allowed: a number");
    CHECK(altered("\"local\":false", "\"local\":0") == "result.local: allowed: true or false");
    CHECK(rc::check("a byte altered anywhere is read or refused", [&text] {
        std::string copy = text;
        copy[*rc::gen::inRange<size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
        const auto result = parse_result_line(copy);
        if (result.ok()) RC_ASSERT(parse_result_line(to_json(*result)).ok());
    }));
}

TEST_CASE("everything written is in the file once the writer is flushed or gone") {
    const TemporaryFile file;
    {
        auto writer = ResultWriter::open(file.path(), nullptr);
        REQUIRE(writer.ok());
        writer->write(numbered(0));
        CHECK(read_results(file.path())->empty());  // still gathered
        writer->flush();
        CHECK(read_results(file.path())->size() == 1);
        for (uint64_t k = 1; k < 1000; ++k) writer->write(numbered(k));
        CHECK(std::filesystem::file_size(file.path()) > 200000);  // gathered no more than a piece
        ResultWriter moved = std::move(*writer);
        moved.write(numbered(1000));
    }
    const auto lines = read_results(file.path());
    REQUIRE(lines.ok());
    REQUIRE(lines->size() == 1001);
    for (uint64_t k = 0; k <= 1000; ++k) CHECK((*lines)[k] == numbered(k));
}

TEST_CASE("a file that cannot be opened, and a line that is none, are named") {
    const auto writer = ResultWriter::open("/nowhere/at/all", nullptr);
    REQUIRE_FALSE(writer.ok());
    CHECK(writer.error().message == "/nowhere/at/all: cannot be written: No such file or directory");
    CHECK(read_results("/nowhere/at/all").error().code == ErrorCode::unavailable);
    const TemporaryFile file;
    std::ofstream(file.path()) << to_json(numbered(0)) << "\n\nrubbish\n";
    CHECK(read_results(file.path()).error().message == file.path() + ":3: result: not JSON");
}

TEST_CASE("a full disk loses whole lines, is told once, and writing goes on when there is room again") {
    const TemporaryFile file;
    std::vector<std::string> log;
    auto writer = ResultWriter::open(file.path(), [&log](LogLevel, const std::string& text) { log.push_back(text); });
    REQUIRE(writer.ok());

    // A limit on file size stands in for the full disk: both make write() stop part-way.
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit old_limit{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &old_limit) == 0);
    const rlimit small{1000, old_limit.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    for (uint64_t k = 0; k < 10; ++k) writer->write(numbered(k));
    writer->flush();
    writer->write(numbered(10));
    writer->write(numbered(10));
    writer->write(numbered(10));
    writer->write(numbered(10));
    writer->flush();
    REQUIRE(setrlimit(RLIMIT_FSIZE, &old_limit) == 0);
    std::signal(SIGXFSZ, old_handler);

    REQUIRE(log.size() == 1);
    CHECK(log[0] == "results are being lost: " + file.path() + ": File too large");
    writer->write(numbered(11));
    writer->flush();
    const auto lines = read_results(file.path());
    REQUIRE(lines.ok());
    CHECK(lines->size() + writer->lines_lost() == 15);
    CHECK(lines->front() == numbered(0));
    CHECK(lines->back() == numbered(11));
    CHECK(writer->lines_lost() >= 6);
}
