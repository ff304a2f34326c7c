// Goal: a device takes part only in plans that fit its model and its memory, and forgets them wholly. Method: plans of
// a small net, each broken in one way.
#include "src/node/edgeflow/flow_host.hpp"

#include <doctest/doctest.h>

#include "tests/planner/edgeflow/nets.hpp"

using namespace eddy;
using namespace eddy::node;
using namespace eddy::test;

namespace {

NodeId device_id(uint8_t number) {
    NodeId id;
    id.bytes[0] = number;
    return id;
}

struct Hosts {
    RowPlan plan;
    PlanKey key{device_id(1), 5};

    Hosts() {
        plan.chain_hash.bytes[0] = 9;
        plan.devices = {device_id(1), device_id(2)};
        plan.window = 2;
        plan.blocks = {{0, 1, {0, 4, 8}, true}, {1, 2, {0, 2, 8}, false}};
    }
    static std::shared_ptr<const graph::ModelGraph> graph() {
        NetBuilder net(8);
        net.convolution(net.convolution(ValueId{0}));
        return std::make_shared<const graph::ModelGraph>(net.graph());
    }
    [[nodiscard]] FlowHost host(uint64_t bytes_max = 1 << 20) const {
        return FlowHost(device_id(2), graph(), plan.chain_hash, bytes_max);
    }
    static std::string refused(FlowHost& at, const PlanKey& under, const RowPlan& told) {
        const auto taken = at.prepare(under, told);
        at.check_invariants();
        return taken ? std::string() : taken.error().message;
    }
};

}  // namespace

TEST_CASE("frames flow under a plan once its units are compiled, and until it is retired") {
    Hosts hosts;
    FlowHost host = hosts.host();
    const auto mine = host.prepare(hosts.key, hosts.plan);
    REQUIRE(mine.ok());
    CHECK((*mine)->device() == 1);
    CHECK_FALSE((*mine)->is_source());
    CHECK(host.flow(hosts.key) == nullptr);
    host.compiled(hosts.key);
    REQUIRE(host.flow(hosts.key) != nullptr);
    CHECK(host.ready(hosts.key));
    CHECK(host.node_of(hosts.key, 0) == device_id(1));
    CHECK(host.device_of(hosts.key, device_id(2)) == 1U);
    CHECK_FALSE(host.device_of(hosts.key, device_id(3)));
    CHECK(host.plans_with(device_id(1)) == std::vector<PlanKey>{hosts.key});
    // As many again may be over without this device's knowing yet.
    CHECK(host.reserved_bytes() == 4 * (*mine)->frame_bytes() + (*mine)->workspace_bytes());
    CHECK(host.retire(hosts.key).empty());
    CHECK(host.flow(hosts.key) == nullptr);
    CHECK(host.reserved_bytes() == 0);
    CHECK(host.retire(hosts.key).empty());
}

TEST_CASE("the same plan told twice is taken once, another under its number is refused") {
    Hosts hosts;
    FlowHost host = hosts.host();
    CHECK(Hosts::refused(host, hosts.key, hosts.plan).empty());
    CHECK(Hosts::refused(host, hosts.key, hosts.plan).empty());
    CHECK(host.plans() == 1);
    hosts.plan.blocks[1].bounds[1] = 3;
    CHECK(Hosts::refused(host, hosts.key, hosts.plan).find("same number") != std::string::npos);
}

TEST_CASE("a source has the plan in use and the next one here, no older ones and no more") {
    Hosts hosts;
    FlowHost host = hosts.host();
    CHECK(Hosts::refused(host, hosts.key, hosts.plan).empty());
    CHECK(Hosts::refused(host, {device_id(1), 4}, hosts.plan).find("older") != std::string::npos);
    CHECK(Hosts::refused(host, {device_id(1), 7}, hosts.plan).empty());
    CHECK(Hosts::refused(host, {device_id(1), 8}, hosts.plan).find("too many") != std::string::npos);
    CHECK(host.plans_of(device_id(1), 6) == std::vector<PlanKey>{hosts.key});
    host.retire(hosts.key);
    CHECK(Hosts::refused(host, {device_id(1), 8}, hosts.plan).empty());
}

TEST_CASE("what does not fit the model, the cluster or the memory is refused with the reason") {
    Hosts hosts;
    FlowHost host = hosts.host();
    const auto refused = [&](const auto& spoil) {
        RowPlan plan = hosts.plan;
        spoil(plan);
        return Hosts::refused(host, hosts.key, plan);
    };
    CHECK(refused([](RowPlan& p) { p.chain_hash.bytes[0] = 1; }).find("another model") != std::string::npos);
    CHECK(refused([](RowPlan& p) { p.devices[1] = device_id(1); }).find("twice") != std::string::npos);
    CHECK(refused([](RowPlan& p) { p.devices[1] = device_id(3); }).find("not for node") != std::string::npos);
    CHECK(refused([](RowPlan& p) { p.devices[0] = device_id(3); }).find("not for node") != std::string::npos);
    CHECK(refused([](RowPlan& p) { p.devices.resize(17); }).find("17 devices") != std::string::npos);
    CHECK(refused([](RowPlan& p) { p.devices.clear(); }).find("0 devices") != std::string::npos);
    CHECK(refused([](RowPlan& p) { p.window = 0; }).find("window") != std::string::npos);
    CHECK(refused([](RowPlan& p) { p.window = 17; }).find("window") != std::string::npos);
    CHECK(refused([](RowPlan& p) { p.blocks.pop_back(); }).find("last steps") != std::string::npos);
    CHECK(refused([](RowPlan& p) { p.blocks.resize(1025); }).find("too many blocks") != std::string::npos);
    CHECK(refused([](RowPlan& p) { p.blocks[0].bounds = {0, 5, 4}; }).find("8 rows") != std::string::npos);
    CHECK(refused([](RowPlan& p) { p.blocks[0].bounds = {0, 9, 8}; }).find("descend") != std::string::npos);
    CHECK(refused([](RowPlan& p) { p.blocks[1].first = 0; }).find("overlap") != std::string::npos);
    CHECK(refused([](RowPlan& p) { p.blocks[1].last = UINT32_MAX; }).find("beyond") != std::string::npos);
    CHECK(host.plans() == 0);
    FlowHost small = hosts.host(100);
    CHECK(Hosts::refused(small, hosts.key, hosts.plan).find("MiB are free") != std::string::npos);
    FlowHost empty(device_id(2), nullptr, {}, 1 << 20);
    CHECK(Hosts::refused(empty, hosts.key, hosts.plan).find("no model") != std::string::npos);
}
