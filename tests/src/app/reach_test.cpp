#include "src/app/reach.hpp"

#include <set>

#include <doctest/doctest.h>

using namespace eddy;
using control::Reach;
using transport::DialFailure;

TEST_CASE("the transport's words tell apart what is one kind of failure to it") {
    CHECK(app::reach_of(DialFailure::unreachable, "connection refused") == Reach::refused);
    CHECK(app::reach_of(DialFailure::unreachable, "host is unreachable") == Reach::no_route);
    CHECK(app::reach_of(DialFailure::timeout, "no answer") == Reach::filtered);
    CHECK(app::reach_of(DialFailure::timeout, "connection timed out") == Reach::filtered);
    CHECK(app::reach_of(DialFailure::timeout, "the handshake took too long") == Reach::silent);
    CHECK(app::reach_of(DialFailure::wrong_key, "the [cluster] key of the two nodes differs") == Reach::wrong_key);
    CHECK(app::reach_of(DialFailure::wrong_key, "without [cluster] key only nodes on this machine can be reached") ==
          Reach::key_needed);
}

TEST_CASE("every other failure has a word of its own") {
    std::set<Reach> seen;
    for (const DialFailure failure :
         {DialFailure::unresolved, DialFailure::not_eddy, DialFailure::other_version, DialFailure::other_cluster,
          DialFailure::claimed, DialFailure::self, DialFailure::already_joined, DialFailure::full, DialFailure::closed})
        seen.insert(app::reach_of(failure, ""));
    CHECK(seen.size() == 9);
    CHECK(app::reach_of(DialFailure::already_joined, "") == Reach::proved);
}
