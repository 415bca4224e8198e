package apikeys

// CountLiveStatement counts the good keys of an account, to be explained.
const CountLiveStatement = apiKeyCountLive
