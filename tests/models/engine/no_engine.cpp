extern "C" int no_engine_at_all() { return 0; }
