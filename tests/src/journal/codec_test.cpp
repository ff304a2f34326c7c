// Goal: the bytes of a journal are the documented ones, and what is not a record ends it.
#include "src/journal/codec.hpp"

#include <doctest/doctest.h>

#include "src/journal/crc32c.hpp"
#include "tests/src/journal/stories.hpp"

using namespace eddy;
using namespace eddy::journal;

namespace {

const std::vector<Entry> one_of_each{
    Counts{StreamId{0}, "front", 1024, {10, 9, 8, 1, 1}},
    Life{Incarnation{UINT64_MAX}},
    Reserved{StreamId{0}, 2048},
    Captured{StreamId{0}, 1024},
    Missed{StreamId{0}, 3},
    Admitted{StreamId{0}, 1024},
    Settled{StreamId{0}, 1024, FrameState::dropped},
};

/// A record of this type and payload with a right checksum.
std::string record(uint8_t type, const std::string& payload) {
    std::string bytes{static_cast<char>(payload.size() & 0xff), static_cast<char>(payload.size() >> 8),
                      static_cast<char>(type)};
    bytes += payload;
    const uint32_t crc = crc32c(bytes);
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(crc >> (8 * i) & 0xff);
    return bytes;
}

std::string problem_of(const std::string& records) {
    const auto made = recovered(std::string(file_header) + records);
    CHECK(made.read.good_bytes == file_header.size());
    CHECK(made.entries.empty());
    return made.read.problem;
}

}  // namespace

TEST_CASE("the checksum is CRC-32C: RFC 3720's check value comes out") {
    CHECK(crc32c("123456789") == 0xe3069283U);
    CHECK(crc32c("") == 0);
    CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aaU);
}

TEST_CASE("a record is its length, type, payload and checksum, little-endian") {
    std::string bytes;
    encode(Settled{StreamId{0x0102}, 0x0304, FrameState::failed}, bytes);
    CHECK(bytes == record(6, std::string("\x02\x01\x04\x03\0\0\0\0\0\0\x01", 11)));
    CHECK(bytes.size() == 18);
}

TEST_CASE("every kind of entry comes back as it was") {
    const auto made = recovered(bytes_of(one_of_each));
    CHECK(made.read.problem.empty());
    CHECK(made.read.records == one_of_each.size());
    CHECK(made.read.good_bytes == bytes_of(one_of_each).size());
    CHECK((made.entries == one_of_each));
    CHECK(made.contradictions == 0);
}

TEST_CASE("a file of another kind or version says nothing, and nothing of it counts") {
    for (const std::string bytes : {"", "EDDYJNL", "EDDYJNL2", "EDDYJNL", "{\"schema\": 1}"}) {
        const auto made = recovered(bytes);
        CHECK(made.read.good_bytes == 0);
        CHECK(made.read.problem == "it does not begin as a journal of this version");
    }
    CHECK(recovered(std::string(file_header)).read.problem.empty());
}

TEST_CASE("a journal that was torn anywhere keeps the records before, and says that the last is torn") {
    const std::string whole = bytes_of(one_of_each);
    size_t records = 0;
    size_t end = file_header.size();
    for (size_t length = file_header.size(); length < whole.size(); ++length) {
        const auto made = recovered(whole.substr(0, length));
        std::string next(file_header);
        for (size_t i = 0; i <= records; ++i) encode(one_of_each[i], next);
        if (length == next.size()) {
            ++records;
            end = length;
        }
        CHECK(made.entries.size() == records);
        CHECK(made.read.good_bytes == end);
        CHECK(made.read.problem == (length == end ? "" : "its last record is torn"));
    }
    CHECK(records + 1 == one_of_each.size());
}

TEST_CASE("a page of zeros, as a power cut leaves one, is a damaged record") {
    CHECK(problem_of(std::string(4096, '\0')) == "a record is damaged");
    CHECK(problem_of(std::string(4096, '\xff')) == "a record is damaged");
}

TEST_CASE("a record that is whole but says nothing known ends the journal") {
    const std::string number(8, '\0');
    const std::string stream(2, '\0');
    const std::string unknown = "a record is of no known kind";
    CHECK(problem_of(record(7, stream + number)) == unknown);
    CHECK(problem_of(record(255, stream + number)) == unknown);
    for (uint8_t type = 0; type < 7; ++type) {
        CHECK(problem_of(record(type, "")) == unknown);
        CHECK(problem_of(record(type, stream + number + number)) == unknown);
    }
    CHECK(problem_of(record(6, stream + number + "\x03")) == unknown);         // no such state
    CHECK(problem_of(record(3, stream + std::string(8, '\x7f'))) == unknown);  // no such number
    CHECK(problem_of(record(3, stream + number + "x")) == unknown);            // too long
    const std::string sums(6 * 8, '\0');
    CHECK(problem_of(record(0, stream + sums)) == unknown);  // no name
    CHECK(problem_of(record(0, stream + sums + std::string(65, 'n'))) == unknown);
    CHECK(recovered(std::string(file_header) + record(0, stream + sums + std::string(64, 'n'))).entries.size() == 1);
    CHECK(problem_of(record(0, stream + sums + std::string(600, 'n'))) == "a record is damaged");
}

TEST_CASE("a name that is too long for a record is cut, not the journal") {
    const auto made = recovered(bytes_of({Counts{StreamId{0}, std::string(1000, 'n'), 0, {}}}));
    REQUIRE(made.entries.size() == 1);
    CHECK(std::get<Counts>(made.entries[0]).name == std::string(64, 'n'));
}
