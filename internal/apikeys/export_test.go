package apikeys

// CountLiveStatement is the statement that counts the active keys of an account. A test
// runs EXPLAIN on it.
const CountLiveStatement = apiKeyCountActive
