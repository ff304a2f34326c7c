#include "src/app/reach.hpp"

namespace eddy::app {

control::Reach reach_of(transport::DialFailure failure, const std::string& reason) {
    using control::Reach;
    using transport::DialFailure;
    switch (failure) {
        case DialFailure::unresolved: return Reach::unresolved;
        case DialFailure::unreachable:
            return reason.find("connection refused") != std::string::npos ? Reach::refused : Reach::no_route;
        case DialFailure::timeout:
            return reason.find("handshake") != std::string::npos ? Reach::silent : Reach::filtered;
        case DialFailure::not_eddy: return Reach::not_eddy;
        case DialFailure::other_version: return Reach::other_version;
        case DialFailure::other_cluster: return Reach::other_cluster;
        case DialFailure::wrong_key:
            return reason.rfind("without [cluster] key", 0) == 0 ? Reach::key_needed : Reach::wrong_key;
        case DialFailure::claimed: return Reach::claimed;
        case DialFailure::self: return Reach::self;
        case DialFailure::already_joined: return Reach::proved;
        case DialFailure::full: return Reach::full;
        case DialFailure::closed: return Reach::closed;
    }
    return Reach::closed;
}

}  // namespace eddy::app
