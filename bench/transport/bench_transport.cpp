// What Eddy's wire costs: an 800 kB activation to another process and its acknowledgement, against a bare libuv
// exchange of the same bytes; and what one message costs besides its bytes. Interleaved pairs, medians; one JSON
// object.
//
//   bench_transport [PAIRS]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "bench/transport/raw_exchange.hpp"
#include "eddy/real_clock.hpp"
#include "src/transport/codec.hpp"
#include "src/transport/network.hpp"

namespace eddy::bench {
namespace {

using transport::Incoming;
using transport::Loop;
using transport::Network;
using transport::NetworkConfig;

constexpr size_t activation_bytes = 800'000;
constexpr Usec patience = std::chrono::seconds(20);

struct Ports {
    uint16_t eddy = 0;
    uint16_t raw = 0;
};

NetworkConfig config_of(uint8_t id) {
    NetworkConfig config;
    config.id.bytes.fill(id);
    config.name = "bench-" + std::to_string(id);
    config.cluster_key = "bench";
    config.listen = {"127.0.0.1", 0};
    return config;
}

/// Acknowledges Work and Pings, as a node's core does.
struct Answerer final : transport::NetworkEvents {
    Network* network = nullptr;
    Loop* loop = nullptr;
    void on_peer_up(const msg::Member&, uint64_t) override {}
    void on_peer_down(const NodeId&, uint64_t, const std::string&) override { loop->stop(); }
    void on_received(Incoming incoming) override {
        if (const auto* work = std::get_if<msg::Work>(&incoming.message))
            (void)network->send(incoming.peer, msg::Ack{work->seq,
                                                        incoming.bytes,
                                                        incoming.first_byte.time_since_epoch(),
                                                        incoming.last_byte.time_since_epoch(),
                                                        true,
                                                        {{}}});
        if (const auto* ping = std::get_if<msg::Ping>(&incoming.message))
            (void)network->send(incoming.peer, msg::Pong{ping->sequence});
    }
    void on_progress(const NodeId&) override {}
    void on_drained(const NodeId&) override {}
};

int serve(int report_fd) {
    Loop loop;
    Answerer answerer;
    Network network(loop, config_of(2), answerer, nullptr);
    answerer.network = &network;
    answerer.loop = &loop;
    const auto listening = network.listen();
    if (!listening) return 1;
    RawServer raw(loop);
    const Ports ports{listening->port, raw.port()};
    if (::write(report_fd, &ports, sizeof ports) != sizeof ports) return 1;
    loop.run();
    return 0;
}

struct Asker final : transport::NetworkEvents {
    std::optional<NodeId> peer;
    uint64_t answers = 0;
    uint64_t answer_bytes = 0;
    void on_peer_up(const msg::Member& member, uint64_t) override { peer = member.id; }
    void on_peer_down(const NodeId&, uint64_t, const std::string&) override { peer.reset(); }
    void on_received(Incoming incoming) override {
        ++answers;
        answer_bytes = incoming.bytes;
    }
    void on_progress(const NodeId&) override {}
    void on_drained(const NodeId&) override {}
};

[[noreturn]] void fail(const std::string& why) {
    std::fprintf(stderr, "bench_transport: %s\n", why.c_str());
    std::exit(1);
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

template <class Call>
double time_us(Call call) {
    // The monotonic clock's microseconds are too coarse for a codec, not for an exchange; repeats are the caller's.
    const Instant before = real_now();
    call();
    return static_cast<double>((real_now() - before).count());
}

/// One message's encoding and decoding, without a network: microseconds.
double codec_us(const msg::Work& work, const HostTensor& tensor) {
    const auto encoded = transport::encode(work, {tensor});
    transport::RawMessage raw;
    std::vector<std::byte> bytes;
    for (size_t i = 1; i < encoded->pieces.size(); ++i)
        bytes.insert(bytes.end(), encoded->pieces[i].begin(), encoded->pieces[i].end());
    raw.body = allocate_bytes(bytes.size());
    std::copy(bytes.begin(), bytes.end(), raw.body.get());
    raw.bytes = encoded->bytes;
    size_t at = 0;
    for (size_t i = 1; i < encoded->pieces.size(); ++i) {
        raw.segments.emplace_back(raw.body.get() + at, encoded->pieces[i].size());
        at += encoded->pieces[i].size();
    }
    constexpr int repeats = 200;
    std::vector<double> runs;
    for (int run = 0; run < 25; ++run)
        runs.push_back(time_us([&] {
                           for (int i = 0; i < repeats; ++i) {
                               const auto out = transport::encode(work, {tensor});
                               const auto in = transport::decode(raw);
                               if (!out.ok() || !in.ok()) fail("codec");
                           }
                       }) /
                       repeats);
    return median(runs);
}

/// Interleaved pairs; what the two ways took, in microseconds.
template <class Eddy, class Raw>
std::pair<double, double> compare(size_t pairs, Eddy eddy_once, Raw raw_once) {
    std::vector<double> eddy_us;
    std::vector<double> raw_us;
    for (size_t i = 0; i < pairs + pairs / 10; ++i) {
        const bool eddy_first = i % 2 == 0;
        double e = 0;
        if (eddy_first) e = time_us(eddy_once);
        const double r = time_us(raw_once);
        if (!eddy_first) e = time_us(eddy_once);
        if (i < pairs / 10) continue;  // warm up
        eddy_us.push_back(e);
        raw_us.push_back(r);
    }
    return {median(eddy_us), median(raw_us)};
}

int measure(const Ports& ports, size_t pairs) {
    Loop loop;
    Asker asker;
    Network network(loop, config_of(1), asker, nullptr);
    network.connect({"127.0.0.1", ports.eddy});
    if (!loop.run_until([&] { return asker.peer.has_value(); }, patience)) return 1;

    const auto bytes = allocate_bytes(activation_bytes);
    std::fill_n(bytes.get(), activation_bytes, std::byte{1});
    const HostTensor tensor{{ValueId{1}, DType::f32, {1, 200'000}, {}}, SharedBytes(bytes, activation_bytes)};
    msg::Work work;
    const auto exchange = [&](const Message& message, std::vector<HostTensor> tensors) {
        const uint64_t before = asker.answers;
        const Status sent = network.send(*asker.peer, message, std::move(tensors));
        if (!sent.ok()) fail(sent.error().message);
        if (!loop.run_until([&] { return asker.answers > before; }, patience)) fail("no answer");
    };
    const auto send_work = [&] {
        ++work.seq;
        exchange(work, {tensor});
    };
    send_work();
    const size_t work_bytes = transport::encode(work, {tensor})->bytes;
    const size_t ack_bytes = asker.answer_bytes;
    RawClient raw(loop, ports.raw, work_bytes, ack_bytes);
    const auto [eddy_us, raw_us] = compare(pairs, send_work, [&] {
        if (!raw.exchange()) fail("no raw answer");
    });

    exchange(msg::Ping{1}, {});
    RawClient raw_ping(loop, ports.raw, asker.answer_bytes, asker.answer_bytes);
    const auto [eddy_ping_us, raw_ping_us] = compare(
        4 * pairs, [&] { exchange(msg::Ping{1}, {}); },
        [&] {
            if (!raw_ping.exchange()) fail("no raw answer");
        });
    const double per_message_us = (eddy_ping_us - raw_ping_us) / 2;

    std::printf("{\"benchmark\": \"transport\", \"pairs\": %zu,\n", pairs);
    std::printf(
        " \"activation\": {\"bytes\": %zu, \"wire_bytes\": %zu, \"ack_bytes\": %zu, \"eddy_us\": %.1f, "
        "\"raw_libuv_us\": %.1f, \"ratio\": %.3f, \"ratio_max\": 1.25},\n",
        activation_bytes, work_bytes, ack_bytes, eddy_us, raw_us, eddy_us / raw_us);
    std::printf(
        " \"message\": {\"eddy_round_trip_us\": %.1f, \"raw_round_trip_us\": %.1f, "
        "\"header_and_dispatch_us\": %.2f, \"header_and_dispatch_us_max\": 50, "
        "\"codec_us\": %.2f},\n",
        eddy_ping_us, raw_ping_us, per_message_us, codec_us(work, tensor));
    const bool within = eddy_us <= 1.25 * raw_us && per_message_us <= 50;
    std::printf(" \"within_bounds\": %s}\n", within ? "true" : "false");
    return within ? 0 : 1;
}

}  // namespace
}  // namespace eddy::bench

int main(int argc, char** argv) {
    const size_t pairs = argc > 1 ? std::max(10UL, std::strtoul(argv[1], nullptr, 10)) : 500;
    int report[2];
    if (::pipe(report) != 0) return 1;
    const pid_t child = ::fork();
    if (child < 0) return 1;
    if (child == 0) return eddy::bench::serve(report[1]);
    eddy::bench::Ports ports;
    int result = 1;
    ::close(report[1]);
    if (::read(report[0], &ports, sizeof ports) == sizeof ports) result = eddy::bench::measure(ports, pairs);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status != 0) std::fprintf(stderr, "bench_transport: the answering process ended with status %d\n", status);
    return status == 0 ? result : 1;
}
