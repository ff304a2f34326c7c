// The lines for tc: exact for the cases that people meet, and as properties for any set of links.
#include "lab/shaping.hpp"

#include <algorithm>
#include <sstream>
#include <string>

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace eddy::lab;

namespace {

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    return words;
}

/// Lines that begin so, as words.
std::vector<std::vector<std::string>> lines_with(const std::string& text, const std::string& start) {
    std::vector<std::vector<std::string>> found;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        if (line.starts_with(start)) found.push_back(words_of(line));
    return found;
}

/// The number behind a word; "20000000bit" is 20000000.
double after(const std::vector<std::string>& words, const std::string& word) {
    const auto at = std::find(words.begin(), words.end(), word);
    return at == words.end() || at + 1 == words.end() ? -1 : std::stod(*(at + 1));
}

}  // namespace

TEST_CASE("Devices have addresses of the range for laboratories") {
    CHECK(device_address(0) == "198.18.0.1");
    CHECK(device_address(63) == "198.18.0.64");
    CHECK(device_address(255) == "198.18.1.0");
}

TEST_CASE("Links that are alike make one token bucket") {
    const std::vector<Link> links{{0, 1, 20, 0.5}, {0, 2, 20, 0.5}, {1, 0, 100, 0}};
    CHECK(leaving_lines(links, 0, "eth0", false) ==
          "qdisc replace dev eth0 root handle 1: tbf rate 20000000bit burst 5000 limit 125000\n");
    CHECK(leaving_lines(links, 1, "eth0", false) ==
          "qdisc replace dev eth0 root handle 1: tbf rate 100000000bit burst 25000 limit 625000\n");
    CHECK(leaving_lines(links, 2, "eth0", false).empty());
}

TEST_CASE("Where the kernel can delay, the bucket delays what it holds") {
    const std::vector<Link> links{{0, 1, 20, 5}, {0, 2, 20, 5}};
    CHECK(leaving_lines(links, 0, "eth0", true) ==
          "qdisc replace dev eth0 root handle 1: tbf rate 20000000bit burst 5000 limit 125000\n"
          "qdisc add dev eth0 parent 1:1 handle 2: netem delay 5000us limit 107\n");
}

TEST_CASE("A destination with a slower link has a class that its address finds") {
    const std::vector<Link> links{{0, 2, 20, 0.5}, {0, 1, 1000, 0.5}};
    CHECK(leaving_lines(links, 0, "eth0", false) ==
          "qdisc replace dev eth0 root handle 1: htb default 2\n"
          "class add dev eth0 parent 1: classid 1:1 htb rate 1000000000bit ceil 1000000000bit burst 250000 cburst "
          "250000 quantum 3028\n"
          "class add dev eth0 parent 1:1 classid 1:2 htb rate 500000000bit ceil 1000000000bit burst 125000 cburst "
          "250000 quantum 3028\n"
          "qdisc add dev eth0 parent 1:2 handle 2: bfifo limit 6250000\n"
          "class add dev eth0 parent 1:1 classid 1:3 htb rate 20000000bit ceil 20000000bit burst 5000 cburst 5000 "
          "quantum 3028\n"
          "qdisc add dev eth0 parent 1:3 handle 3: bfifo limit 125000\n"
          "filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dst 198.18.0.3/32 flowid 1:3\n");
}

TEST_CASE("Delays that differ need classes only where they can be made") {
    const std::vector<Link> links{{0, 1, 100, 1}, {0, 2, 100, 7}};
    CHECK(lines_with(leaving_lines(links, 0, "eth0", false), "class").empty());
    const std::string lines = leaving_lines(links, 0, "eth0", true);
    const auto delays = lines_with(lines, "qdisc add");
    REQUIRE(delays.size() == 2);
    CHECK(after(delays[0], "delay") == 1000);
    CHECK(after(delays[1], "delay") == 7000);
    REQUIRE(lines_with(lines, "filter").size() == 1);
    CHECK(lines_with(lines, "filter")[0].back() == "1:3");
}

TEST_CASE("The switch lets pass what the fastest link to a device carries") {
    const std::vector<Link> links{{0, 2, 20, 0}, {1, 2, 100, 0}, {2, 0, 1000, 0}};
    CHECK(arriving_lines(links, 2, "d2") ==
          "qdisc replace dev d2 root handle 1: tbf rate 100000000bit burst 25000 limit 625000\n");
    CHECK(arriving_lines(links, 1, "d1").empty());
}

TEST_CASE("Packets are short on slow links, but never below two frames of Ethernet") {
    CHECK(packet_bytes_max({{0, 1, 1000, 0}}, 0) == 65536);
    CHECK(packet_bytes_max({{0, 1, 100, 0}}, 0) == 18750);
    CHECK(packet_bytes_max({{0, 1, 1000, 0}, {0, 2, 20, 0}}, 0) == 3750);
    CHECK(packet_bytes_max({{0, 1, 1, 0}}, 0) == 3028);
    CHECK(packet_bytes_max({{0, 1, 1, 0}}, 1) == 65536);
}

TEST_CASE("Any set of links is shaped so that no link and no card exceeds its speed or queues for long") {
    CHECK(rc::check("classes", [] {
        const auto speeds = *rc::gen::nonEmpty(rc::gen::container<std::vector<double>>(
            rc::gen::map(rc::gen::inRange(1, 20'000), [](int tenths) { return tenths * 0.1; })));
        const bool delays = *rc::gen::arbitrary<bool>();
        std::vector<Link> links;
        for (size_t i = 0; i < speeds.size(); ++i)
            links.push_back({0, i + 1, speeds[i], static_cast<double>(*rc::gen::inRange(0, 3))});
        const double fastest = *std::max_element(speeds.begin(), speeds.end());
        const std::string text = leaving_lines(links, 0, "eth0", delays);
        const auto classes = lines_with(text, "class");
        double assured = 0;
        for (size_t i = 0; i < classes.size(); ++i) {
            RC_ASSERT(after(classes[i], "ceil") <= fastest * 1e6 + 1);
            RC_ASSERT(after(classes[i], "rate") <= after(classes[i], "ceil"));
            if (i > 0) assured += after(classes[i], "rate");
        }
        RC_ASSERT(assured <= fastest * 1e6 + static_cast<double>(classes.size()));
        // Every destination that is slower has its own class, with its own speed.
        const auto filters = lines_with(text, "filter");
        for (const Link& link : links) {
            const auto found = std::find_if(filters.begin(), filters.end(), [&](const auto& filter) {
                return std::find(filter.begin(), filter.end(), device_address(link.to) + "/32") != filter.end();
            });
            if (link.mbit_per_s < fastest) RC_ASSERT(found != filters.end());
            if (found == filters.end()) continue;
            const auto of = std::find_if(classes.begin(), classes.end(), [&](const auto& line) {
                return std::find(line.begin(), line.end(), found->back()) != line.end();
            });
            RC_ASSERT(of != classes.end());
            RC_ASSERT(std::abs(after(*of, "ceil") - link.mbit_per_s * 1e6) < 1);
        }
        for (const auto& queue : lines_with(text, "qdisc"))
            if (std::find(queue.begin(), queue.end(), "bfifo") != queue.end() ||
                std::find(queue.begin(), queue.end(), "tbf") != queue.end())
                RC_ASSERT(after(queue, "limit") <= std::max(fastest * 1e6 / 8 * 0.050, 2 * 3028.0));
    }));
}
