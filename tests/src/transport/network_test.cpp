// Goal: any two nodes are joined by exactly one pair of connections, whoever dials, and learn in order what becomes of
// it. Method: two or three networks on one loop over loopback.
#include "eddy/random.hpp"
#include "network_harness.hpp"

namespace eddy::transport::testing {
namespace {

HostTensor tensor_of(size_t bytes, uint8_t fill) {
    auto data = allocate_bytes(bytes);
    std::fill_n(data.get(), bytes, std::byte{fill});
    return {{ValueId{3}, DType::u8, {static_cast<int64_t>(bytes)}, {}}, SharedBytes(data, bytes)};
}

}  // namespace

TEST_CASE("a node that dials another is joined to it by one pair of connections") {
    Loop loop;
    Node a(loop, 1);
    Node b(loop, 2);
    a.network->connect(b.endpoint);
    require_joined(loop, a, b);
    CHECK(a.network->connections() == 2);
    CHECK(b.network->connections() == 2);
    CHECK(a.up[b.id()].name == "node-2");
    CHECK(a.up[b.id()].endpoint == b.endpoint);
    CHECK(b.up[a.id()].endpoint == a.endpoint);
    CHECK(b.up[a.id()].incarnation == Incarnation{1});
}

}  // namespace eddy::transport::testing
