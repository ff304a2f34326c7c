// Goal: a hostile length costs nothing, and whole messages come out of any pieces. Method: tables by hand.
#include <cstring>

#include <doctest/doctest.h>

#include "generators.hpp"

namespace eddy::transport::testing {
namespace {

std::vector<std::byte> table_of(std::vector<uint32_t> words) {
    std::vector<std::byte> bytes(words.size() * 4);
    std::memcpy(bytes.data(), words.data(), bytes.size());
    return bytes;
}

std::string why(const std::vector<uint32_t>& words, uint64_t message_bytes_max, ReceiveBudget& budget) {
    const auto raw = assemble(table_of(words), SIZE_MAX, budget, message_bytes_max);
    REQUIRE_FALSE(raw.ok());
    return raw.error().message;
}

}  // namespace

TEST_CASE("announced sizes are refused before anything is allocated") {
    ReceiveBudget budget{.bytes_max = 1000};
    CHECK(why({0, 0x7fffffff}, 4096, budget).find("announces a message of") != std::string::npos);
    CHECK(why({0xffffffff, 1}, 4096, budget).find("announces 4294967296 segments") != std::string::npos);
    CHECK(why({segments_max, 1}, 4096, budget).find("segments") != std::string::npos);
    CHECK(why({0, 0}, 4096, budget).find("empty") != std::string::npos);
    CHECK(why({2, 0xffffffff, 0xffffffff, 0xffffffff}, UINT64_MAX, budget).find("no room") != std::string::npos);
    CHECK(why({0, 200}, 4096, budget).find("no room") != std::string::npos);
    CHECK(why({0, 511}, 4095, budget).find("at most 4095") != std::string::npos);
    CHECK(budget.used_bytes == 0);
}

TEST_CASE("the budget counts what is being received, and only that long") {
    ReceiveBudget budget{.bytes_max = 1000};
    {
        Assembler assembler(4096, budget);
        const auto table = table_of({0, 10});
        std::copy(table.begin(), table.end(), assembler.space().begin());
        CHECK(assembler.between_messages());
        REQUIRE(assembler.arrived(8).ok());
        CHECK(budget.used_bytes == 80);
        CHECK_FALSE(assembler.between_messages());
        CHECK(assembler.space().size() == 80);
        REQUIRE(assembler.arrived(80).value());
        const auto raw = assembler.take();
        CHECK(raw.bytes == 88);
        CHECK(raw.segments.size() == 1);
        CHECK(budget.used_bytes == 0);
        CHECK(assembler.between_messages());
        std::copy(table.begin(), table.end(), assembler.space().begin());
        REQUIRE(assembler.arrived(8).ok());
        CHECK(budget.used_bytes == 80);
    }
    CHECK(budget.used_bytes == 0);
}

TEST_CASE("segments lie in the body one after the other, as the table says") {
    ReceiveBudget budget{.bytes_max = 1000};
    auto bytes = table_of({2, 1, 2, 3});
    for (int i = 0; i < 48; ++i) bytes.push_back(static_cast<std::byte>(i));
    for (size_t chunk = 1; chunk < 20; ++chunk) {
        const auto raw = assemble(bytes, chunk, budget);
        REQUIRE(raw.ok());
        REQUIRE(raw->segments.size() == 3);
        CHECK(raw->segments[1].size() == 16);
        CHECK(raw->segments[1][0] == std::byte{8});
        CHECK(raw->segments[2].data() == raw->body.get() + 24);
        CHECK(raw->segments[2][23] == std::byte{47});
    }
}

}  // namespace eddy::transport::testing
