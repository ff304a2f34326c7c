#include "src/app/unreached_log.hpp"

#include <doctest/doctest.h>

using namespace eddy;
using app::UnreachedLog;
using transport::DialFailure;

namespace {

Instant at_s(double seconds) { return Instant(from_seconds(seconds)); }

}  // namespace

TEST_CASE("the last failure of each address is told, with its word and age, until it is reached") {
    UnreachedLog log;
    log.on_dial_failed({"a", 1}, DialFailure::unreachable, "connection refused", at_s(10));
    log.on_dial_failed({"fe80::1", 2}, DialFailure::full, "too many", at_s(11));
    log.on_dial_failed({"a", 1}, DialFailure::timeout, "no answer", at_s(12));
    CHECK(log.rows(at_s(13)) ==
          std::vector<control::Unreached>{{"a:1", "filtered", "no answer", 1}, {"[fe80::1]:2", "full", "too many", 2}});
    log.on_peer_up({"a", 1});
    CHECK(log.rows(at_s(13)).size() == 1);
    log.on_dial_failed({"fe80::1", 2}, DialFailure::already_joined, "", at_s(14));
    CHECK(log.rows(at_s(14)).empty());
    log.on_dial_failed({"b", 1}, DialFailure::closed, "", at_s(14));
    log.on_dial_failed({"b", 1}, DialFailure::self, "", at_s(15));
    CHECK(log.rows(at_s(15)).empty());
}

TEST_CASE("who is not tried any more is forgotten, and too many push out the oldest") {
    UnreachedLog log;
    log.on_dial_failed({"old", 1}, DialFailure::timeout, "", at_s(0));
    CHECK(log.rows(at_s(30)).size() == 1);
    CHECK(log.rows(at_s(30.1)).empty());
    for (uint16_t i = 0; i < UnreachedLog::entries_max; ++i)
        log.on_dial_failed({"b", i}, DialFailure::timeout, "", at_s(1 + i * 0.001));
    const auto rows = log.rows(at_s(2));
    CHECK(rows.size() == UnreachedLog::entries_max);
    for (const auto& row : rows) CHECK(row.address != "old:1");
    log.on_dial_failed({"b", 0}, DialFailure::timeout, "again", at_s(2));
    CHECK(log.rows(at_s(2)).size() == UnreachedLog::entries_max);
}
