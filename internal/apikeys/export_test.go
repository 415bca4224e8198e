package apikeys

// CountLiveStatement counts the active keys of an account, for EXPLAIN.
const CountLiveStatement = apiKeyCountActive
