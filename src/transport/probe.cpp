#include "src/transport/probe.hpp"

#include <algorithm>

#include "eddy/real_clock.hpp"
#include "src/transport/connection.hpp"
#include "src/transport/loop_handles.hpp"
#include "src/transport/tcp.hpp"

namespace eddy::transport {

struct Probe::Impl final : ConnectionOwner, std::enable_shared_from_this<Probe::Impl> {
    Impl(Loop& loop_, ProbeConfig config_, Endpoint endpoint_, std::function<void(const ProbeReport&)> done_)
        : loop(loop_), config(std::move(config_)), done(std::move(done_)), ticker(loop_, [this] { tick(); }) {
        report.endpoint = std::move(endpoint_);
        identity.cluster = config.cluster;
        identity.key = config.cluster_key;
        identity.member.name = cleaned(config.name, name_bytes_max);
        identity.probe = true;
        bounds = {{0, 0}, config.timeout, config.timeout};
        budget.bytes_max = receive_bytes_max;
    }
    ~Impl() override {
        if (link) link->cut();
    }

    void begin() {
        dial = std::make_unique<TcpDial>(loop, report.endpoint, config.timeout,
                                         [this](std::unique_ptr<Stream> stream, const TcpDial::Failure& failure) {
                                             dialled(std::move(stream), failure);
                                         });
    }

    void dialled(std::unique_ptr<Stream> stream, const TcpDial::Failure& failure) {
        report.resolved_after = dial->resolved_after();
        for (const auto& attempt : dial->attempts())
            report.attempts.push_back({to_string(attempt.address), attempt.took, attempt.failure});
        if (!stream) return finish(failure.kind, failure.reason);
        if (config.cluster_key.empty() && !stream->remote().loopback)
            return finish(DialFailure::wrong_key, "without [cluster] key only nodes on this machine can be reached");
        const auto nonce = random_nonce();
        const auto instance = random_nonce();
        if (!nonce || !instance) return finish(DialFailure::closed, (nonce ? instance : nonce).error().message);
        std::copy_n(instance->begin(), identity.instance.size(), identity.instance.begin());
        link = std::make_shared<Connection>(1, *this, std::move(stream),
                                            Handshake(identity, Role::dialler, *nonce, Lane::control, std::nullopt),
                                            budget, bounds, real_now());
        greeted_at = real_now();
        const Usec tick_interval = std::max<Usec>(config.timeout / 10, std::chrono::milliseconds(5));
        ticker.start(tick_interval, tick_interval);
        link->start();
    }

    void tick() {
        const auto self = shared_from_this();  // who is told may destroy the probe
        if (finished) {
            if (const auto told = std::exchange(done, nullptr)) told(report);
            return;
        }
        if (const auto current = link) current->check_deadlines(real_now());
    }

    void note_facts(const Connection& connection) {
        report.version = connection.their_version();
        if (report.facts || !connection.handshake().heard()) return;
        const Hello& hello = connection.handshake().theirs();
        ProbeFacts facts{hello.cluster, hello.member, hello.keyed, hello.chain_hash, std::nullopt, Usec(0)};
        facts.round_trip = real_now() - greeted_at;
        if (hello.wall_clock != Usec(0))
            facts.clock_ahead = hello.wall_clock - (real_wall_clock() - facts.round_trip / 2);
        report.facts = std::move(facts);
    }

    Refused on_hello(Connection& connection) override {
        note_facts(connection);
        return {};
    }
    std::optional<Refused> on_proved(Connection&) override { return Refused{}; }
    void on_ready(Connection&) override {
        report.proved = true;
        finish(std::nullopt, "");
    }
    void on_ended(Connection& connection, DialFailure failure, const std::string& reason) override {
        note_facts(connection);
        finish(failure, reason);
    }
    void on_closed(Connection&) override {}

    void finish(std::optional<DialFailure> failure, const std::string& reason) {
        if (std::exchange(finished, true)) return;
        report.failure = failure;
        report.reason = reason;
        if (const auto ended = std::move(link)) ended->cut();
        ticker.start(Usec(0), Usec(0));  // told from the loop: the connection is still at work
    }

    static constexpr uint64_t receive_bytes_max = 64 * 1024;

    Loop& loop;
    ProbeConfig config;
    Identity identity;
    ConnectionBounds bounds{};
    ReceiveBudget budget;
    ProbeReport report;
    std::function<void(const ProbeReport&)> done;
    std::unique_ptr<TcpDial> dial;
    std::shared_ptr<Connection> link;
    Instant greeted_at{};
    bool finished = false;
    UvTimer ticker;
};

Probe::Probe(Loop& loop, ProbeConfig config, Endpoint endpoint, std::function<void(const ProbeReport&)> done)
    : impl_(std::make_shared<Impl>(loop, std::move(config), std::move(endpoint), std::move(done))) {
    impl_->begin();
}
Probe::~Probe() { impl_->done = nullptr; }

}  // namespace eddy::transport
